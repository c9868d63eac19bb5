// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One line about an NPC.
 *
 * @param npc the NPC's id in the game (1 to 128 characters)
 * @param persona the id of its persona
 * @param name what it is called
 * @param active false once it was despawned
 */
public record NpcSummary(
    String npc,
    String persona,
    String name,
    boolean active) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcSummary fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcSummary read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcSummary(
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "persona", path, Wire::string),
            Wire.required(map, "name", path, Wire::string),
            Wire.required(map, "active", path, Wire::bool));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("npc", npc);
        map.put("persona", persona);
        map.put("name", name);
        map.put("active", active);
        return map;
    }
}
