// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Ask which NPCs there are.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param active true for spawned NPCs only, false for parked ones only (may be null)
 */
public record NpcList(Object id, Boolean active) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "npc.list";

    /**
     * One with all that is required, and nothing else.
     *
     * @param id a string or an integer that the answers carry as 're'
     * @return it
     */
    public static NpcList of(Object id) {
        return new NpcList(id, null);
    }

    /**
     * The same with another value.
     *
     * @param active true for spawned NPCs only, false for parked ones only (may be null)
     * @return a copy
     */
    public NpcList withActive(Boolean active) {
        return new NpcList(id, active);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcList fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcList read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcList(
            Wire.required(map, "id", path, Wire::id),
            Wire.optional(map, "active", path, Wire::bool));
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
        if (active != null) {
            map.put("active", active);
        }
        return map;
    }
}
