// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Whom actions are for: one NPC, all of one persona, or all. Names exactly one of them.
 *
 * @param npc the id of one NPC (1 to 128 characters; may be null)
 * @param persona the id of a persona: all NPCs that have it (1 to 128 characters; may be null)
 * @param all true: all NPCs (may be null)
 */
public record Scope(
    String npc,
    String persona,
    Boolean all) {

    /**
     * One with all that is required, and nothing else.
     *
     * @return it
     */
    public static Scope of() {
        return new Scope(null, null, null);
    }

    /**
     * The same with another value.
     *
     * @param npc the id of one NPC (1 to 128 characters; may be null)
     * @return a copy
     */
    public Scope withNpc(String npc) {
        return new Scope(npc, persona, all);
    }

    /**
     * The same with another value.
     *
     * @param persona the id of a persona: all NPCs that have it (1 to 128 characters; may be null)
     * @return a copy
     */
    public Scope withPersona(String persona) {
        return new Scope(npc, persona, all);
    }

    /**
     * The same with another value.
     *
     * @param all true: all NPCs (may be null)
     * @return a copy
     */
    public Scope withAll(Boolean all) {
        return new Scope(npc, persona, all);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Scope fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Scope read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Scope(
            Wire.optional(map, "npc", path, Wire::string),
            Wire.optional(map, "persona", path, Wire::string),
            Wire.optional(map, "all", path, Wire::bool));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        if (npc != null) {
            map.put("npc", npc);
        }
        if (persona != null) {
            map.put("persona", persona);
        }
        if (all != null) {
            map.put("all", all);
        }
        return map;
    }
}
