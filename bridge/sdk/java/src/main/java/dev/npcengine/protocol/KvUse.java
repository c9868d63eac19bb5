// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What is kept of an NPC's attention state, and where it is now. `tier` is the slowest one that some of it must come from, `none` where nothing is kept.
 *
 * @param bytes how much is kept, in all tiers
 * @param tier device, ram, disk or none
 * @param tiers bytes in each tier: device, ram, disk
 * @param tokens tokens of the prompt that need not be computed again
 */
public record KvUse(
    long bytes,
    String tier,
    Map<String, Long> tiers,
    long tokens) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static KvUse fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static KvUse read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new KvUse(
            Wire.required(map, "bytes", path, Wire::integer),
            Wire.required(map, "tier", path, Wire::string),
            Wire.required(map, "tiers", path, Wire.map(Wire::integer)),
            Wire.required(map, "tokens", path, Wire::integer));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("bytes", bytes);
        map.put("tier", tier);
        map.put("tiers", tiers);
        map.put("tokens", tokens);
        return map;
    }
}
