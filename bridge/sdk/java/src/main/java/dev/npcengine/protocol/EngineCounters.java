// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Requests to the engine that run and wait now, and what it did since it started.
 *
 * @param running requests that run now
 * @param waiting requests that wait now
 * @param steps steps since the start
 * @param promptTokens tokens of all prompts since the start
 * @param cachedTokens of the prompt tokens, those that were already computed
 * @param generatedTokens tokens that were generated since the start
 * @param parked how often one had to make room for another
 */
public record EngineCounters(
    long running,
    long waiting,
    long steps,
    long promptTokens,
    long cachedTokens,
    long generatedTokens,
    long parked) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static EngineCounters fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static EngineCounters read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new EngineCounters(
            Wire.required(map, "running", path, Wire::integer),
            Wire.required(map, "waiting", path, Wire::integer),
            Wire.required(map, "steps", path, Wire::integer),
            Wire.required(map, "prompt_tokens", path, Wire::integer),
            Wire.required(map, "cached_tokens", path, Wire::integer),
            Wire.required(map, "generated_tokens", path, Wire::integer),
            Wire.required(map, "parked", path, Wire::integer));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("running", running);
        map.put("waiting", waiting);
        map.put("steps", steps);
        map.put("prompt_tokens", promptTokens);
        map.put("cached_tokens", cachedTokens);
        map.put("generated_tokens", generatedTokens);
        map.put("parked", parked);
        return map;
    }
}
