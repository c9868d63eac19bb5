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
    public static final String TYPE = "cancel";

    /** One with all that is required, and nothing else. */
    public static Cancel of(Object target) {
        return new Cancel(null, target);
    }

    public Cancel withId(Object id) {
        return new Cancel(id, target);
    }

    /** Checks what a library decoded; unknown keys are ignored. Throws IllegalArgumentException that names the path. */
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

    /** As a library can encode it; what is null is left out. */
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
