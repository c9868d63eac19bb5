// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What came of an action; the NPC remembers it.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param call the call that 'reply.action' named (1 to 128 characters)
 * @param ok true: it was done; false: it failed
 * @param message what came of it, for the NPC to read (at most 1024 characters; may be null)
 */
public record ActionResult(
    Object id,
    String call,
    boolean ok,
    String message) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "action.result";

    /**
     * One with all that is required, and nothing else.
     *
     * @param id a string or an integer that the answers carry as 're'
     * @param call the call that 'reply.action' named (1 to 128 characters)
     * @param ok true: it was done; false: it failed
     * @return it
     */
    public static ActionResult of(Object id, String call, boolean ok) {
        return new ActionResult(id, call, ok, null);
    }

    /**
     * The same with another value.
     *
     * @param message what came of it, for the NPC to read (at most 1024 characters; may be null)
     * @return a copy
     */
    public ActionResult withMessage(String message) {
        return new ActionResult(id, call, ok, message);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static ActionResult fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static ActionResult read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new ActionResult(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "call", path, Wire::string),
            Wire.required(map, "ok", path, Wire::bool),
            Wire.optional(map, "message", path, Wire::string));
    }

    @Override
    public String type() {
        return TYPE;
    }

    @Override
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", TYPE);
        map.put("id", id);
        map.put("call", call);
        map.put("ok", ok);
        if (message != null) {
            map.put("message", message);
        }
        return map;
    }
}
