// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Someone speaks to an NPC; a streamed reply follows. An `id` that was accepted is not generated twice.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param npc the id of the NPC that is spoken to (1 to 128 characters)
 * @param speaker who speaks: {id, name, kind}
 * @param text what is said, not empty (at least 1 character)
 * @param hearers the ids of the other NPCs that hear the line and the answer ([] if null)
 * @param priority 'player', 'ambient' or 'idle': who is served first ("player" if null)
 * @param deadlineMs milliseconds after which no answer is wanted (at least 1; may be null)
 * @param maxTokens how long the answer may get, in tokens; 0: it says nothing and acts, or doesn't (at least 0; may be null)
 * @param actions the names of the registered actions that it may take now, [] for none; all, if not given (may be null)
 */
public record Say(
    Object id,
    String npc,
    Speaker speaker,
    String text,
    List<String> hearers,
    String priority,
    Long deadlineMs,
    Long maxTokens,
    List<String> actions) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "say";

    /**
     * One with all that is required, and nothing else.
     *
     * @param id a string or an integer that the answers carry as 're'
     * @param npc the id of the NPC that is spoken to (1 to 128 characters)
     * @param speaker who speaks: {id, name, kind}
     * @param text what is said, not empty (at least 1 character)
     * @return it
     */
    public static Say of(Object id, String npc, Speaker speaker, String text) {
        return new Say(id, npc, speaker, text, null, null, null, null, null);
    }

    /**
     * The same with another value.
     *
     * @param hearers the ids of the other NPCs that hear the line and the answer ([] if null)
     * @return a copy
     */
    public Say withHearers(List<String> hearers) {
        return new Say(id, npc, speaker, text, hearers, priority, deadlineMs, maxTokens, actions);
    }

    /**
     * The same with another value.
     *
     * @param priority 'player', 'ambient' or 'idle': who is served first ("player" if null)
     * @return a copy
     */
    public Say withPriority(String priority) {
        return new Say(id, npc, speaker, text, hearers, priority, deadlineMs, maxTokens, actions);
    }

    /**
     * The same with another value.
     *
     * @param deadlineMs milliseconds after which no answer is wanted (at least 1; may be null)
     * @return a copy
     */
    public Say withDeadlineMs(Long deadlineMs) {
        return new Say(id, npc, speaker, text, hearers, priority, deadlineMs, maxTokens, actions);
    }

    /**
     * The same with another value.
     *
     * @param maxTokens how long the answer may get, in tokens; 0: it says nothing and acts, or doesn't (at least 0; may be null)
     * @return a copy
     */
    public Say withMaxTokens(Long maxTokens) {
        return new Say(id, npc, speaker, text, hearers, priority, deadlineMs, maxTokens, actions);
    }

    /**
     * The same with another value.
     *
     * @param actions the names of the registered actions that it may take now, [] for none; all, if not given (may be null)
     * @return a copy
     */
    public Say withActions(List<String> actions) {
        return new Say(id, npc, speaker, text, hearers, priority, deadlineMs, maxTokens, actions);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Say fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Say read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Say(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "speaker", path, Speaker::read),
            Wire.required(map, "text", path, Wire::string),
            Wire.optional(map, "hearers", path, Wire.list(Wire::string)),
            Wire.optional(map, "priority", path, Wire::string),
            Wire.optional(map, "deadline_ms", path, Wire::integer),
            Wire.optional(map, "max_tokens", path, Wire::integer),
            Wire.optional(map, "actions", path, Wire.list(Wire::string)));
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
        map.put("npc", npc);
        map.put("speaker", speaker.toMap());
        map.put("text", text);
        if (hearers != null) {
            map.put("hearers", hearers);
        }
        if (priority != null) {
            map.put("priority", priority);
        }
        if (deadlineMs != null) {
            map.put("deadline_ms", deadlineMs);
        }
        if (maxTokens != null) {
            map.put("max_tokens", maxTokens);
        }
        if (actions != null) {
            map.put("actions", actions);
        }
        return map;
    }
}
