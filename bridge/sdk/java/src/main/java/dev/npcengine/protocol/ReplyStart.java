// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The NPC begins to answer. What it answers is safely stored by now.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param npc who answers (1 to 128 characters)
 */
public record ReplyStart(
    Object re,
    Long seq,
    String npc) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "reply.start";

    /**
     * One with all that is required, and nothing else.
     *
     * @param npc who answers (1 to 128 characters)
     * @return it
     */
    public static ReplyStart of(String npc) {
        return new ReplyStart(null, null, npc);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public ReplyStart withRe(Object re) {
        return new ReplyStart(re, seq, npc);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public ReplyStart withSeq(Long seq) {
        return new ReplyStart(re, seq, npc);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static ReplyStart fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static ReplyStart read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new ReplyStart(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "npc", path, Wire::string));
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
        map.put("npc", npc);
        return map;
    }
}
