// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The NPC does something. The game does it and says with `action.result` what came of it.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param npc who acts (1 to 128 characters)
 * @param call which of all calls this is, for 'action.result'
 * @param name the action's name (1 to 64 characters, matches `^[A-Za-z0-9_.:/-]+$`)
 * @param args its arguments, as its schema says
 */
public record ReplyAction(
    Object re,
    Long seq,
    String npc,
    String call,
    String name,
    Map<String, Object> args) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "reply.action";

    /**
     * One with all that is required, and nothing else.
     *
     * @param npc who acts (1 to 128 characters)
     * @param call which of all calls this is, for 'action.result'
     * @param name the action's name (1 to 64 characters, matches `^[A-Za-z0-9_.:/-]+$`)
     * @param args its arguments, as its schema says
     * @return it
     */
    public static ReplyAction of(String npc, String call, String name, Map<String, Object> args) {
        return new ReplyAction(null, null, npc, call, name, args);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public ReplyAction withRe(Object re) {
        return new ReplyAction(re, seq, npc, call, name, args);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public ReplyAction withSeq(Long seq) {
        return new ReplyAction(re, seq, npc, call, name, args);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static ReplyAction fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static ReplyAction read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new ReplyAction(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "call", path, Wire::string),
            Wire.required(map, "name", path, Wire::string),
            Wire.required(map, "args", path, Wire.map(Wire::any)));
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
        map.put("call", call);
        map.put("name", name);
        map.put("args", args);
        return map;
    }
}
