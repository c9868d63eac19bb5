// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Done.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 */
public record Ok(Object re, Long seq) implements ServerMessage {
    public static final String TYPE = "ok";

    /** One with all that is required, and nothing else. */
    public static Ok of() {
        return new Ok(null, null);
    }

    public Ok withRe(Object re) {
        return new Ok(re, seq);
    }

    public Ok withSeq(Long seq) {
        return new Ok(re, seq);
    }

    /** Checks what a library decoded; unknown keys are ignored. Throws IllegalArgumentException that names the path. */
    public static Ok fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Ok read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Ok(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer));
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
        return map;
    }
}
