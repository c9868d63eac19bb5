// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * NPCs are likely to be spoken to soon: bring up what they have in mind.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param npcs the ids of NPCs that are likely next, at least one (at least 1 entry)
 * @param etaMs milliseconds until then, 0 for any moment (at least 0)
 */
public record Hint(
    Object id,
    List<String> npcs,
    long etaMs) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "hint";

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Hint fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Hint read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Hint(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "npcs", path, Wire.list(Wire::string)),
            Wire.required(map, "eta_ms", path, Wire::integer));
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
        map.put("npcs", npcs);
        map.put("eta_ms", etaMs);
        return map;
    }
}
