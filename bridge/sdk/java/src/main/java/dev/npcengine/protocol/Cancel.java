// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The player walked away: stop what `target` asked for.
 *
 * @param id a string or an integer that the answers carry as 're' (may be null)
 * @param target the id of the earlier request that shall stop
 */
public record Cancel(Object id, Object target) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "cancel";

    /**
     * One with all that is required, and nothing else.
     *
     * @param target the id of the earlier request that shall stop
     * @return it
     */
    public static Cancel of(Object target) {
        return new Cancel(null, target);
    }

    /**
     * The same with another value.
     *
     * @param id a string or an integer that the answers carry as 're' (may be null)
     * @return a copy
     */
    public Cancel withId(Object id) {
        return new Cancel(id, target);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Cancel fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Cancel read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Cancel(
            Wire.optional(map, "id", path, Wire::id),
            Wire.required(map, "target", path, Wire::id));
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
        map.put("target", target);
        return map;
    }
}
