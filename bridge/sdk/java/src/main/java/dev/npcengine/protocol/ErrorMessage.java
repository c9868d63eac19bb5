// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What was asked for didn't happen. `path` leads into the request, to what was wrong with it.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param code for programs; see the list of codes
 * @param message for people: what was wrong and what would be right
 * @param path leads into the request to what was wrong, such as 'speaker.name' or 'hearers[2]' (may be null)
 * @param retryAfterMs milliseconds after which it may work (may be null)
 */
public record ErrorMessage(
    Object re,
    Long seq,
    String code,
    String message,
    String path,
    Long retryAfterMs) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "error";

    /**
     * One with all that is required, and nothing else.
     *
     * @param code for programs; see the list of codes
     * @param message for people: what was wrong and what would be right
     * @return it
     */
    public static ErrorMessage of(String code, String message) {
        return new ErrorMessage(null, null, code, message, null, null);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public ErrorMessage withRe(Object re) {
        return new ErrorMessage(re, seq, code, message, path, retryAfterMs);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public ErrorMessage withSeq(Long seq) {
        return new ErrorMessage(re, seq, code, message, path, retryAfterMs);
    }

    /**
     * The same with another value.
     *
     * @param path leads into the request to what was wrong, such as 'speaker.name' or 'hearers[2]' (may be null)
     * @return a copy
     */
    public ErrorMessage withPath(String path) {
        return new ErrorMessage(re, seq, code, message, path, retryAfterMs);
    }

    /**
     * The same with another value.
     *
     * @param retryAfterMs milliseconds after which it may work (may be null)
     * @return a copy
     */
    public ErrorMessage withRetryAfterMs(Long retryAfterMs) {
        return new ErrorMessage(re, seq, code, message, path, retryAfterMs);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static ErrorMessage fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static ErrorMessage read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new ErrorMessage(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "code", path, Wire::string),
            Wire.required(map, "message", path, Wire::string),
            Wire.optional(map, "path", path, Wire::string),
            Wire.optional(map, "retry_after_ms", path, Wire::integer));
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
        map.put("code", code);
        map.put("message", message);
        if (path != null) {
            map.put("path", path);
        }
        if (retryAfterMs != null) {
            map.put("retry_after_ms", retryAfterMs);
        }
        return map;
    }
}
