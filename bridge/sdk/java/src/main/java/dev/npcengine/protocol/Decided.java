// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The answer to `decide`.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param value the decision, as its schema says
 */
public record Decided(
    Object re,
    Long seq,
    Object value) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "decided";

    /**
     * One with all that is required, and nothing else.
     *
     * @param value the decision, as its schema says
     * @return it
     */
    public static Decided of(Object value) {
        return new Decided(null, null, value);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public Decided withRe(Object re) {
        return new Decided(re, seq, value);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public Decided withSeq(Long seq) {
        return new Decided(re, seq, value);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Decided fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Decided read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Decided(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "value", path, Wire::any));
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
        map.put("value", value);
        return map;
    }
}
