// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Which game is at the other end; read by people in logs, never acted on.
 *
 * @param name the client's name, such as 'my-mod' (1 to 128 characters)
 * @param version the client's version (at most 128 characters; "" if null)
 * @param game the game it runs in (at most 128 characters; "" if null)
 */
public record ClientInfo(
    String name,
    String version,
    String game) {

    /**
     * One with all that is required, and nothing else.
     *
     * @param name the client's name, such as 'my-mod' (1 to 128 characters)
     * @return it
     */
    public static ClientInfo of(String name) {
        return new ClientInfo(name, null, null);
    }

    /**
     * The same with another value.
     *
     * @param version the client's version (at most 128 characters; "" if null)
     * @return a copy
     */
    public ClientInfo withVersion(String version) {
        return new ClientInfo(name, version, game);
    }

    /**
     * The same with another value.
     *
     * @param game the game it runs in (at most 128 characters; "" if null)
     * @return a copy
     */
    public ClientInfo withGame(String game) {
        return new ClientInfo(name, version, game);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static ClientInfo fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static ClientInfo read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new ClientInfo(
            Wire.required(map, "name", path, Wire::string),
            Wire.optional(map, "version", path, Wire::string),
            Wire.optional(map, "game", path, Wire::string));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("name", name);
        if (version != null) {
            map.put("version", version);
        }
        if (game != null) {
            map.put("game", game);
        }
        return map;
    }
}
