// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * NPCs that the server knows; of them those in the game, those awake in memory, and those speaking right now.
 *
 * @param known all that were ever spawned and not forgotten
 * @param active those in the game
 * @param awake those in memory
 * @param speaking those that speak right now
 */
public record NpcCounts(
    long known,
    long active,
    long awake,
    long speaking) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcCounts fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcCounts read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcCounts(
            Wire.required(map, "known", path, Wire::integer),
            Wire.required(map, "active", path, Wire::integer),
            Wire.required(map, "awake", path, Wire::integer),
            Wire.required(map, "speaking", path, Wire::integer));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("known", known);
        map.put("active", active);
        map.put("awake", awake);
        map.put("speaking", speaking);
        return map;
    }
}
