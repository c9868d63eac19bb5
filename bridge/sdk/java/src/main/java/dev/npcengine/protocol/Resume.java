// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A session that lost its connection, and how much of it arrived.
 *
 * @param session the session's name, as 'welcome' said it (1 to 128 characters)
 * @param lastSeq the largest 'seq' that the client has seen, 0 for none (at least 0)
 */
public record Resume(String session, long lastSeq) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Resume fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Resume read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Resume(
            Wire.required(map, "session", path, Wire::string),
            Wire.required(map, "last_seq", path, Wire::integer));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("session", session);
        map.put("last_seq", lastSeq);
        return map;
    }
}
