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
public record ErrorMessage(Object re, Long seq, String code, String message, String path, Long retryAfterMs) implements ServerMessage {
    public static final String TYPE = "error";

    /** One with all that is required, and nothing else. */
    public static ErrorMessage of(String code, String message) {
        return new ErrorMessage(null, null, code, message, null, null);
    }

    public ErrorMessage withRe(Object re) {
        return new ErrorMessage(re, seq, code, message, path, retryAfterMs);
    }

    public ErrorMessage withSeq(Long seq) {
        return new ErrorMessage(re, seq, code, message, path, retryAfterMs);
    }

    public ErrorMessage withPath(String path) {
        return new ErrorMessage(re, seq, code, message, path, retryAfterMs);
    }

    public ErrorMessage withRetryAfterMs(Long retryAfterMs) {
        return new ErrorMessage(re, seq, code, message, path, retryAfterMs);
    }

    /** Checks what a library decoded; unknown keys are ignored. Throws IllegalArgumentException that names the path. */
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

    /** As a library can encode it; what is null is left out. */
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
