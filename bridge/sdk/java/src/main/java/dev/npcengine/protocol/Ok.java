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

    /** The message's {&#64;code type}. */
    public static final String TYPE = "ok";

    /**
     * One with all that is required, and nothing else.
     *
     * @return it
     */
    public static Ok of() {
        return new Ok(null, null);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public Ok withRe(Object re) {
        return new Ok(re, seq);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public Ok withSeq(Long seq) {
        return new Ok(re, seq);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
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
