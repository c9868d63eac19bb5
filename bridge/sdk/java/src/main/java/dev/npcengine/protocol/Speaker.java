// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Who speaks.
 *
 * @param id the speaker's id in the game, a string of 1 to 128 characters
 * @param name what the NPC hears the speaker called; the id, if not given (1 to 128 characters; may be null)
 * @param kind 'player', 'npc' or 'system' ("player" if null)
 */
public record Speaker(
    String id,
    String name,
    String kind) {

    /**
     * One with all that is required, and nothing else.
     *
     * @param id the speaker's id in the game, a string of 1 to 128 characters
     * @return it
     */
    public static Speaker of(String id) {
        return new Speaker(id, null, null);
    }

    /**
     * The same with another value.
     *
     * @param name what the NPC hears the speaker called; the id, if not given (1 to 128 characters; may be null)
     * @return a copy
     */
    public Speaker withName(String name) {
        return new Speaker(id, name, kind);
    }

    /**
     * The same with another value.
     *
     * @param kind 'player', 'npc' or 'system' ("player" if null)
     * @return a copy
     */
    public Speaker withKind(String kind) {
        return new Speaker(id, name, kind);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Speaker fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Speaker read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Speaker(
            Wire.required(map, "id", path, Wire::string),
            Wire.optional(map, "name", path, Wire::string),
            Wire.optional(map, "kind", path, Wire::string));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("id", id);
        if (name != null) {
            map.put("name", name);
        }
        if (kind != null) {
            map.put("kind", kind);
        }
        return map;
    }
}
