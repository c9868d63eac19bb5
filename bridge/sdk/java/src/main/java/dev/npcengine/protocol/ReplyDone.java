// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The answer is complete and remembered. With finish `cancelled`, `text` is what was said until then, and `usage`, `timings` and `mood` may be missing.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param npc who answered (1 to 128 characters)
 * @param text the whole answer
 * @param finish why it ended: it said all, was cut at its length, was cancelled; the others are reserved
 * @param usage token counts (may be null)
 * @param timings where the time went (may be null)
 * @param mood the NPC's mood now (may be null)
 */
public record ReplyDone(
    Object re,
    Long seq,
    String npc,
    String text,
    String finish,
    Usage usage,
    Timings timings,
    String mood) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "reply.done";

    /**
     * One with all that is required, and nothing else.
     *
     * @param npc who answered (1 to 128 characters)
     * @param text the whole answer
     * @param finish why it ended: it said all, was cut at its length, was cancelled; the others are reserved
     * @return it
     */
    public static ReplyDone of(String npc, String text, String finish) {
        return new ReplyDone(null, null, npc, text, finish, null, null, null);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public ReplyDone withRe(Object re) {
        return new ReplyDone(re, seq, npc, text, finish, usage, timings, mood);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public ReplyDone withSeq(Long seq) {
        return new ReplyDone(re, seq, npc, text, finish, usage, timings, mood);
    }

    /**
     * The same with another value.
     *
     * @param usage token counts (may be null)
     * @return a copy
     */
    public ReplyDone withUsage(Usage usage) {
        return new ReplyDone(re, seq, npc, text, finish, usage, timings, mood);
    }

    /**
     * The same with another value.
     *
     * @param timings where the time went (may be null)
     * @return a copy
     */
    public ReplyDone withTimings(Timings timings) {
        return new ReplyDone(re, seq, npc, text, finish, usage, timings, mood);
    }

    /**
     * The same with another value.
     *
     * @param mood the NPC's mood now (may be null)
     * @return a copy
     */
    public ReplyDone withMood(String mood) {
        return new ReplyDone(re, seq, npc, text, finish, usage, timings, mood);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static ReplyDone fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static ReplyDone read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new ReplyDone(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "text", path, Wire::string),
            Wire.required(map, "finish", path, Wire::string),
            Wire.optional(map, "usage", path, Usage::read),
            Wire.optional(map, "timings", path, Timings::read),
            Wire.optional(map, "mood", path, Wire::string));
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
        map.put("finish", finish);
        if (usage != null) {
            map.put("usage", usage.toMap());
        }
        if (timings != null) {
            map.put("timings", timings.toMap());
        }
        if (mood != null) {
            map.put("mood", mood);
        }
        return map;
    }
}
