// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The oldest turns left the NPC's prompt; its journal keeps them.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param npc whose prompt it was (1 to 128 characters)
 * @param tokensBefore tokens in its prompt before
 * @param tokensAfter and after
 */
public record MemoryCompacted(
    Object re,
    Long seq,
    String npc,
    long tokensBefore,
    long tokensAfter) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "memory.compacted";

    /**
     * One with all that is required, and nothing else.
     *
     * @param npc whose prompt it was (1 to 128 characters)
     * @param tokensBefore tokens in its prompt before
     * @param tokensAfter and after
     * @return it
     */
    public static MemoryCompacted of(String npc, long tokensBefore, long tokensAfter) {
        return new MemoryCompacted(null, null, npc, tokensBefore, tokensAfter);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public MemoryCompacted withRe(Object re) {
        return new MemoryCompacted(re, seq, npc, tokensBefore, tokensAfter);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public MemoryCompacted withSeq(Long seq) {
        return new MemoryCompacted(re, seq, npc, tokensBefore, tokensAfter);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static MemoryCompacted fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static MemoryCompacted read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new MemoryCompacted(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "tokens_before", path, Wire::integer),
            Wire.required(map, "tokens_after", path, Wire::integer));
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
        map.put("tokens_before", tokensBefore);
        map.put("tokens_after", tokensAfter);
        return map;
    }
}
