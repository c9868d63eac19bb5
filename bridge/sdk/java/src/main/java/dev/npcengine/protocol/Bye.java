// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The last message of a session; the connection closes.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param reason why the session ends, for people
 */
public record Bye(Object re, Long seq, String reason) implements ServerMessage {
    public static final String TYPE = "bye";

    /** One with all that is required, and nothing else. */
    public static Bye of(String reason) {
        return new Bye(null, null, reason);
    }

    public Bye withRe(Object re) {
        return new Bye(re, seq, reason);
    }

    public Bye withSeq(Long seq) {
        return new Bye(re, seq, reason);
    }

    /** Checks what a library decoded; unknown keys are ignored. Throws IllegalArgumentException that names the path. */
    public static Bye fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Bye read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Bye(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "reason", path, Wire::string));
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
        if (re != null) {
            map.put("re", re);
        }
        if (seq != null) {
            map.put("seq", seq);
        }
        map.put("reason", reason);
        return map;
    }
}
