// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One whole sentence of the answer, for speech and chat bubbles.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param npc who answers (1 to 128 characters)
 * @param text the sentence
 */
public record ReplySentence(
    Object re,
    Long seq,
    String npc,
    String text) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "reply.sentence";

    /**
     * One with all that is required, and nothing else.
     *
     * @param npc who answers (1 to 128 characters)
     * @param text the sentence
     * @return it
     */
    public static ReplySentence of(String npc, String text) {
        return new ReplySentence(null, null, npc, text);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public ReplySentence withRe(Object re) {
        return new ReplySentence(re, seq, npc, text);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public ReplySentence withSeq(Long seq) {
        return new ReplySentence(re, seq, npc, text);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static ReplySentence fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static ReplySentence read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new ReplySentence(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "text", path, Wire::string));
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
        map.put("text", text);
        return map;
    }
}
