// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One journal entry.
 *
 * @param speaker who spoke, by name
 * @param text what was said or happened
 * @param at seconds since 1970, UTC
 */
public record Remembered(
    String speaker,
    String text,
    double at) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Remembered fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Remembered read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Remembered(
            Wire.required(map, "speaker", path, Wire::string),
            Wire.required(map, "text", path, Wire::string),
            Wire.required(map, "at", path, Wire::number));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("speaker", speaker);
        map.put("text", text);
        map.put("at", at);
        return map;
    }
}
