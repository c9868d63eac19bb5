// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Something happens in front of NPCs. Silent: they remember it. Otherwise each of them reacts.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param hearers the ids of the NPCs that notice it, at least one (at least 1 entry)
 * @param text what happens, not empty (at least 1 character)
 * @param kind the game's word for this sort of event (1 to 128 characters; "event" if null)
 * @param salience how much it matters, from 0 to 1 (0.5 if null)
 * @param silent true: remember it; false: react to it (true if null)
 * @param maxTokens how long each reaction may get, in tokens; 0: they say nothing and act, or don't (at least 0; may be null)
 */
public record EventMessage(
    Object id,
    List<String> hearers,
    String text,
    String kind,
    Double salience,
    Boolean silent,
    Long maxTokens) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "event";

    /**
     * One with all that is required, and nothing else.
     *
     * @param id a string or an integer that the answers carry as 're'
     * @param hearers the ids of the NPCs that notice it, at least one (at least 1 entry)
     * @param text what happens, not empty (at least 1 character)
     * @return it
     */
    public static EventMessage of(Object id, List<String> hearers, String text) {
        return new EventMessage(id, hearers, text, null, null, null, null);
    }

    /**
     * The same with another value.
     *
     * @param kind the game's word for this sort of event (1 to 128 characters; "event" if null)
     * @return a copy
     */
    public EventMessage withKind(String kind) {
        return new EventMessage(id, hearers, text, kind, salience, silent, maxTokens);
    }

    /**
     * The same with another value.
     *
     * @param salience how much it matters, from 0 to 1 (0.5 if null)
     * @return a copy
     */
    public EventMessage withSalience(Double salience) {
        return new EventMessage(id, hearers, text, kind, salience, silent, maxTokens);
    }

    /**
     * The same with another value.
     *
     * @param silent true: remember it; false: react to it (true if null)
     * @return a copy
     */
    public EventMessage withSilent(Boolean silent) {
        return new EventMessage(id, hearers, text, kind, salience, silent, maxTokens);
    }

    /**
     * The same with another value.
     *
     * @param maxTokens how long each reaction may get, in tokens; 0: they say nothing and act, or don't (at least 0; may be null)
     * @return a copy
     */
    public EventMessage withMaxTokens(Long maxTokens) {
        return new EventMessage(id, hearers, text, kind, salience, silent, maxTokens);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static EventMessage fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static EventMessage read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new EventMessage(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "hearers", path, Wire.list(Wire::string)),
            Wire.required(map, "text", path, Wire::string),
            Wire.optional(map, "kind", path, Wire::string),
            Wire.optional(map, "salience", path, Wire::number),
            Wire.optional(map, "silent", path, Wire::bool),
            Wire.optional(map, "max_tokens", path, Wire::integer));
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
        map.put("hearers", hearers);
        map.put("text", text);
        if (kind != null) {
            map.put("kind", kind);
        }
        if (salience != null) {
            map.put("salience", salience);
        }
        if (silent != null) {
            map.put("silent", silent);
        }
        if (maxTokens != null) {
            map.put("max_tokens", maxTokens);
        }
        return map;
    }
}
