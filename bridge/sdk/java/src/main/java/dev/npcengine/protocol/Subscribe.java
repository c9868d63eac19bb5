// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Ask to be told about topics from now on, and about nothing else.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param topics what to be told about; 'stats' is all there is, [] ends it
 */
public record Subscribe(Object id, List<String> topics) implements ClientMessage {
    public static final String TYPE = "subscribe";

    /** Checks what a library decoded; unknown keys are ignored. Throws IllegalArgumentException that names the path. */
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

    /** As a library can encode it; what is null is left out. */
    @Override
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", TYPE);
        map.put("id", id);
        map.put("topics", topics);
        return map;
    }
}
