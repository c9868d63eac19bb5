// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Something that an NPC can do. The arguments that the game gets are as `schema` says, always.
 *
 * @param name the action's name, such as 'give_item' (1 to 64 characters, matches `^[A-Za-z0-9_.:/-]+$`)
 * @param description what it does and when to do it, for the NPC to read (1 to 1024 characters)
 * @param schema a JSON Schema of its arguments, an object; without one it takes none (may be null)
 */
public record Action(
    String name,
    String description,
    Map<String, Object> schema) {

    /**
     * One with all that is required, and nothing else.
     *
     * @param name the action's name, such as 'give_item' (1 to 64 characters, matches `^[A-Za-z0-9_.:/-]+$`)
     * @param description what it does and when to do it, for the NPC to read (1 to 1024 characters)
     * @return it
     */
    public static Action of(String name, String description) {
        return new Action(name, description, null);
    }

    /**
     * The same with another value.
     *
     * @param schema a JSON Schema of its arguments, an object; without one it takes none (may be null)
     * @return a copy
     */
    public Action withSchema(Map<String, Object> schema) {
        return new Action(name, description, schema);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Action fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Action read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Action(
            Wire.required(map, "name", path, Wire::string),
            Wire.required(map, "description", path, Wire::string),
            Wire.optional(map, "schema", path, Wire.map(Wire::any)));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", name);
        map.put("description", description);
        if (schema != null) {
            map.put("schema", schema);
        }
        return map;
    }
}
