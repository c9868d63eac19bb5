// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Tell an NPC how things are now. It knows them when it speaks next; they are no part of its history.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param npc the id of an NPC that was spawned (1 to 128 characters)
 * @param state the facts by name, such as 'place' or 'health'; others stay as they are, null takes one away (keys of 1 to 128 characters; may be null)
 * @param mood its mood from now on, one of its persona's (1 to 128 characters; may be null)
 * @param relationships how it stands to others, by their ids; others stay as they are, null takes one away (keys of 1 to 128 characters; may be null)
 */
public record NpcUpdate(
    Object id,
    String npc,
    Map<String, Object> state,
    String mood,
    Map<String, Relationship> relationships) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "npc.update";

    /**
     * One with all that is required, and nothing else.
     *
     * @param id a string or an integer that the answers carry as 're'
     * @param npc the id of an NPC that was spawned (1 to 128 characters)
     * @return it
     */
    public static NpcUpdate of(Object id, String npc) {
        return new NpcUpdate(id, npc, null, null, null);
    }

    /**
     * The same with another value.
     *
     * @param state the facts by name, such as 'place' or 'health'; others stay as they are, null takes one away (keys of 1 to 128 characters; may be null)
     * @return a copy
     */
    public NpcUpdate withState(Map<String, Object> state) {
        return new NpcUpdate(id, npc, state, mood, relationships);
    }

    /**
     * The same with another value.
     *
     * @param mood its mood from now on, one of its persona's (1 to 128 characters; may be null)
     * @return a copy
     */
    public NpcUpdate withMood(String mood) {
        return new NpcUpdate(id, npc, state, mood, relationships);
    }

    /**
     * The same with another value.
     *
     * @param relationships how it stands to others, by their ids; others stay as they are, null takes one away (keys of 1 to 128 characters; may be null)
     * @return a copy
     */
    public NpcUpdate withRelationships(Map<String, Relationship> relationships) {
        return new NpcUpdate(id, npc, state, mood, relationships);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcUpdate fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcUpdate read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcUpdate(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "npc", path, Wire::string),
            Wire.optional(map, "state", path, Wire.map(Wire::any)),
            Wire.optional(map, "mood", path, Wire::string),
            Wire.optional(map, "relationships", path, Wire.map(Relationship::read)));
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
        if (state != null) {
            map.put("state", state);
        }
        if (mood != null) {
            map.put("mood", mood);
        }
        if (relationships != null) {
            map.put("relationships", Wire.plain(relationships, Relationship::toMap));
        }
        return map;
    }
}
