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
    public static final String TYPE = "ping";

    /** One with all that is required, and nothing else. */
    public static Ping of() {
        return new Ping(null);
    }

    public Ping withId(Object id) {
        return new Ping(id);
    }

    /** Checks what a library decoded; unknown keys are ignored. Throws IllegalArgumentException that names the path. */
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

    /** As a library can encode it; what is null is left out. */
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
