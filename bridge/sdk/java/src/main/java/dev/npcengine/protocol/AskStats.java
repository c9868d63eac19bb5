// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Ask for `stats` once.
 *
 * @param id a string or an integer that the answers carry as 're'
 */
public record AskStats(Object id) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "stats";

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static AskStats fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static AskStats read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new AskStats(
            Wire.required(map, "id", path, Wire::id));
    }

    @Override
    public String type() {
        return TYPE;
    }

    @Override
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", TYPE);
        map.put("id", id);
        return map;
    }
}
