// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The answer to `hello`: the session begins, or goes on.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param session the session's name
 * @param protocol the version of the protocol that the server speaks, 1
 * @param server the server's name and version
 * @param limits what the client may ask for
 * @param capabilities the types of the messages that this server takes
 * @param model the name of the model that speaks for the NPCs
 * @param resumed true: the session goes on, and what was missed follows (false if null)
 * @param resumeWindowMs milliseconds for which a session that lost its connection can be resumed, 0 for never (0 if null)
 * @param heartbeat when a silent end is taken for gone (may be null)
 */
public record Welcome(
    Object re,
    Long seq,
    String session,
    long protocol,
    String server,
    Limits limits,
    List<String> capabilities,
    String model,
    Boolean resumed,
    Long resumeWindowMs,
    Heartbeat heartbeat) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "welcome";

    /**
     * One with all that is required, and nothing else.
     *
     * @param session the session's name
     * @param protocol the version of the protocol that the server speaks, 1
     * @param server the server's name and version
     * @param limits what the client may ask for
     * @param capabilities the types of the messages that this server takes
     * @param model the name of the model that speaks for the NPCs
     * @return it
     */
    public static Welcome of(String session, long protocol, String server, Limits limits, List<String> capabilities, String model) {
        return new Welcome(null, null, session, protocol, server, limits, capabilities, model, null, null, null);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public Welcome withRe(Object re) {
        return new Welcome(re, seq, session, protocol, server, limits, capabilities, model, resumed, resumeWindowMs, heartbeat);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public Welcome withSeq(Long seq) {
        return new Welcome(re, seq, session, protocol, server, limits, capabilities, model, resumed, resumeWindowMs, heartbeat);
    }

    /**
     * The same with another value.
     *
     * @param resumed true: the session goes on, and what was missed follows (false if null)
     * @return a copy
     */
    public Welcome withResumed(Boolean resumed) {
        return new Welcome(re, seq, session, protocol, server, limits, capabilities, model, resumed, resumeWindowMs, heartbeat);
    }

    /**
     * The same with another value.
     *
     * @param resumeWindowMs milliseconds for which a session that lost its connection can be resumed, 0 for never (0 if null)
     * @return a copy
     */
    public Welcome withResumeWindowMs(Long resumeWindowMs) {
        return new Welcome(re, seq, session, protocol, server, limits, capabilities, model, resumed, resumeWindowMs, heartbeat);
    }

    /**
     * The same with another value.
     *
     * @param heartbeat when a silent end is taken for gone (may be null)
     * @return a copy
     */
    public Welcome withHeartbeat(Heartbeat heartbeat) {
        return new Welcome(re, seq, session, protocol, server, limits, capabilities, model, resumed, resumeWindowMs, heartbeat);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Welcome fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Welcome read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Welcome(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "session", path, Wire::string),
            Wire.required(map, "protocol", path, Wire::integer),
            Wire.required(map, "server", path, Wire::string),
            Wire.required(map, "limits", path, Limits::read),
            Wire.required(map, "capabilities", path, Wire.list(Wire::string)),
            Wire.required(map, "model", path, Wire::string),
            Wire.optional(map, "resumed", path, Wire::bool),
            Wire.optional(map, "resume_window_ms", path, Wire::integer),
            Wire.optional(map, "heartbeat", path, Heartbeat::read));
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
        map.put("session", session);
        map.put("protocol", protocol);
        map.put("server", server);
        map.put("limits", limits.toMap());
        map.put("capabilities", capabilities);
        map.put("model", model);
        if (resumed != null) {
            map.put("resumed", resumed);
        }
        if (resumeWindowMs != null) {
            map.put("resume_window_ms", resumeWindowMs);
        }
        if (heartbeat != null) {
            map.put("heartbeat", heartbeat.toMap());
        }
        return map;
    }
}
