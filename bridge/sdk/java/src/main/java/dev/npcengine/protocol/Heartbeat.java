// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How the two ends know that the other is there: by WebSocket pings, which libraries answer by themselves.
 *
 * @param intervalMs milliseconds between two pings of the server
 * @param timeoutMs milliseconds without an answer after which a client is gone
 */
public record Heartbeat(long intervalMs, long timeoutMs) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Heartbeat fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Heartbeat read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Heartbeat(
            Wire.required(map, "interval_ms", path, Wire::integer),
            Wire.required(map, "timeout_ms", path, Wire::integer));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("interval_ms", intervalMs);
        map.put("timeout_ms", timeoutMs);
        return map;
    }
}
