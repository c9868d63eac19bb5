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
public record Scope(String npc, String persona, Boolean all) {
    /** One with all that is required, and nothing else. */
    public static Scope of() {
        return new Scope(null, null, null);
    }

    public Scope withNpc(String npc) {
        return new Scope(npc, persona, all);
    }

    public Scope withPersona(String persona) {
        return new Scope(npc, persona, all);
    }

    public Scope withAll(Boolean all) {
        return new Scope(npc, persona, all);
    }

    /** Checks what a library decoded; unknown keys are ignored. Throws IllegalArgumentException that names the path. */
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

    /** As a library can encode it; what is null is left out. */
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
