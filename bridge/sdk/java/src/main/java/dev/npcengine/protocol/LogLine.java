// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Something went wrong in the server, for whoever looks after it: what subscribers to `log` get.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param level how bad it is
 * @param logger the part of the server that says so
 * @param text what it says, on one line, cut after 500 characters
 * @param at seconds since 1970, UTC
 */
public record LogLine(
    Object re,
    Long seq,
    String level,
    String logger,
    String text,
    double at) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "log";

    /**
     * One with all that is required, and nothing else.
     *
     * @param level how bad it is
     * @param logger the part of the server that says so
     * @param text what it says, on one line, cut after 500 characters
     * @param at seconds since 1970, UTC
     * @return it
     */
    public static LogLine of(String level, String logger, String text, double at) {
        return new LogLine(null, null, level, logger, text, at);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public LogLine withRe(Object re) {
        return new LogLine(re, seq, level, logger, text, at);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public LogLine withSeq(Long seq) {
        return new LogLine(re, seq, level, logger, text, at);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static LogLine fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static LogLine read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new LogLine(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "level", path, Wire::string),
            Wire.required(map, "logger", path, Wire::string),
            Wire.required(map, "text", path, Wire::string),
            Wire.required(map, "at", path, Wire::number));
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
        map.put("level", level);
        map.put("logger", logger);
        map.put("text", text);
        map.put("at", at);
        return map;
    }
}
