// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Bytes of attention state in a tier, and the most there may be.
 *
 * @param used bytes that are taken
 * @param budget the most there may be
 */
public record TierUse(long used, long budget) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static TierUse fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static TierUse read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new TierUse(
            Wire.required(map, "used", path, Wire::integer),
            Wire.required(map, "budget", path, Wire::integer));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("used", used);
        map.put("budget", budget);
        return map;
    }
}
