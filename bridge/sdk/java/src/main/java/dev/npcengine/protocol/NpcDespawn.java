// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Park an NPC: it keeps everything and hears nothing.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param npc the id of an NPC that was spawned (1 to 128 characters)
 */
public record NpcDespawn(Object id, String npc) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "npc.despawn";

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcDespawn fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcDespawn read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcDespawn(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "npc", path, Wire::string));
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
        return map;
    }
}
