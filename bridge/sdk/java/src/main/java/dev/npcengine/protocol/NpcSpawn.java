// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * An NPC exists in the game. The same `npc` tomorrow is the same mind.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param npc the NPC's id in the game, a string of 1 to 128 characters
 * @param persona the id of a persona that the server has loaded (1 to 128 characters)
 * @param world the world that the persona is in, where several are loaded (1 to 128 characters; may be null)
 * @param vars values for the persona's placeholders, all strings (may be null)
 */
public record NpcSpawn(
    Object id,
    String npc,
    String persona,
    String world,
    Map<String, String> vars) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "npc.spawn";

    /**
     * One with all that is required, and nothing else.
     *
     * @param id a string or an integer that the answers carry as 're'
     * @param npc the NPC's id in the game, a string of 1 to 128 characters
     * @param persona the id of a persona that the server has loaded (1 to 128 characters)
     * @return it
     */
    public static NpcSpawn of(Object id, String npc, String persona) {
        return new NpcSpawn(id, npc, persona, null, null);
    }

    /**
     * The same with another value.
     *
     * @param world the world that the persona is in, where several are loaded (1 to 128 characters; may be null)
     * @return a copy
     */
    public NpcSpawn withWorld(String world) {
        return new NpcSpawn(id, npc, persona, world, vars);
    }

    /**
     * The same with another value.
     *
     * @param vars values for the persona's placeholders, all strings (may be null)
     * @return a copy
     */
    public NpcSpawn withVars(Map<String, String> vars) {
        return new NpcSpawn(id, npc, persona, world, vars);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcSpawn fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcSpawn read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcSpawn(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "persona", path, Wire::string),
            Wire.optional(map, "world", path, Wire::string),
            Wire.optional(map, "vars", path, Wire.map(Wire::string)));
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
        map.put("persona", persona);
        if (world != null) {
            map.put("world", world);
        }
        if (vars != null) {
            map.put("vars", vars);
        }
        return map;
    }
}
