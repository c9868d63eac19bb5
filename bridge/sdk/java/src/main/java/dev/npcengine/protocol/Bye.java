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
public record Bye(
    Object re,
    Long seq,
    String reason) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "bye";

    /**
     * One with all that is required, and nothing else.
     *
     * @param reason why the session ends, for people
     * @return it
     */
    public static Bye of(String reason) {
        return new Bye(null, null, reason);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public Bye withRe(Object re) {
        return new Bye(re, seq, reason);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public Bye withSeq(Long seq) {
        return new Bye(re, seq, reason);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
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
