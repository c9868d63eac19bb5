// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Token counts: in the prompt, those of it that were already computed, and generated.
 *
 * @param promptTokens tokens in the prompt
 * @param cachedTokens those of them that were already computed
 * @param completionTokens tokens that were generated
 */
public record Usage(
    long promptTokens,
    long cachedTokens,
    long completionTokens) {

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Usage fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Usage read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Usage(
            Wire.required(map, "prompt_tokens", path, Wire::integer),
            Wire.required(map, "cached_tokens", path, Wire::integer),
            Wire.required(map, "completion_tokens", path, Wire::integer));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("prompt_tokens", promptTokens);
        map.put("cached_tokens", cachedTokens);
        map.put("completion_tokens", completionTokens);
        return map;
    }
}
