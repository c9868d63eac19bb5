// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Ask for a `pong`.
 *
 * @param id a string or an integer that the answers carry as 're' (may be null)
 */
public record Ping(Object id) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "ping";

    /**
     * One with all that is required, and nothing else.
     *
     * @return it
     */
    public static Ping of() {
        return new Ping(null);
    }

    /**
     * The same with another value.
     *
     * @param id a string or an integer that the answers carry as 're' (may be null)
     * @return a copy
     */
    public Ping withId(Object id) {
        return new Ping(id);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Ping fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Ping read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Ping(
            Wire.optional(map, "id", path, Wire::id));
    }

    @Override
    public String type() {
        return TYPE;
    }

    @Override
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", TYPE);
        if (id != null) {
            map.put("id", id);
        }
        return map;
    }
}
