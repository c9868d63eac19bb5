// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Ask to be told about topics from now on, and about nothing else.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param topics what to be told about, [] for nothing
 */
public record Subscribe(Object id, List<String> topics) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "subscribe";

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Subscribe fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Subscribe read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Subscribe(
            Wire.required(map, "id", path, Wire::id),
            Wire.required(map, "topics", path, Wire.list(Wire::string)));
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
        map.put("topics", topics);
        return map;
    }
}
