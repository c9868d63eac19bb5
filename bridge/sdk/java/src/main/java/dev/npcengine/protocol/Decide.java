// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Ask an NPC for a decision. It leaves no trace unless it shall be remembered.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param npc the id of the NPC that decides (1 to 128 characters)
 * @param question what to decide, not empty (at least 1 character)
 * @param schema a JSON Schema that the answer fits
 * @param remember true: the NPC remembers the question and its answer (false if null)
 */
public record Decide(
    Object id,
    String npc,
    String question,
    Map<String, Object> schema,
    Boolean remember) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "decide";

    /**
     * One with all that is required, and nothing else.
     *
     * @param id a string or an integer that the answers carry as 're'
     * @param npc the id of the NPC that decides (1 to 128 characters)
     * @param question what to decide, not empty (at least 1 character)
     * @param schema a JSON Schema that the answer fits
     * @return it
     */
    public static Decide of(Object id, String npc, String question, Map<String, Object> schema) {
        return new Decide(id, npc, question, schema, null);
    }

    /**
     * The same with another value.
     *
     * @param remember true: the NPC remembers the question and its answer (false if null)
     * @return a copy
     */
    public Decide withRemember(Boolean remember) {
        return new Decide(id, npc, question, schema, remember);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Decide fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Decide read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Decide(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "question", path, Wire::string),
            Wire.required(map, "schema", path, Wire.map(Wire::any)),
            Wire.optional(map, "remember", path, Wire::bool));
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
        map.put("question", question);
        map.put("schema", schema);
        if (remember != null) {
            map.put("remember", remember);
        }
        return map;
    }
}
