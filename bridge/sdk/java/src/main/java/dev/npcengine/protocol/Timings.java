// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Where the time went, in seconds.
 *
 * @param queue until it was its turn
 * @param restore to bring up what was kept of its attention state
 * @param prefill to read the rest of the prompt
 * @param firstToken from the request to the first token
 * @param total from the request to the end
 */
public record Timings(
    double queue,
    double restore,
    double prefill,
    double firstToken,
    double total) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Timings fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Timings read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Timings(
            Wire.required(map, "queue", path, Wire::number),
            Wire.required(map, "restore", path, Wire::number),
            Wire.required(map, "prefill", path, Wire::number),
            Wire.required(map, "first_token", path, Wire::number),
            Wire.required(map, "total", path, Wire::number));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("queue", queue);
        map.put("restore", restore);
        map.put("prefill", prefill);
        map.put("first_token", firstToken);
        map.put("total", total);
        return map;
    }
}
