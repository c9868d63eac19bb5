// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Ask what an NPC remembers, feels and costs.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param npc the id of an NPC that was spawned (1 to 128 characters)
 */
public record NpcInspect(Object id, String npc) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "npc.inspect";

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcInspect fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcInspect read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcInspect(
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
