// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The answer to `ping`.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 */
public record Pong(Object re, Long seq) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "pong";

    /**
     * One with all that is required, and nothing else.
     *
     * @return it
     */
    public static Pong of() {
        return new Pong(null, null);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public Pong withRe(Object re) {
        return new Pong(re, seq);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public Pong withSeq(Long seq) {
        return new Pong(re, seq);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Pong fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Pong read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Pong(
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
