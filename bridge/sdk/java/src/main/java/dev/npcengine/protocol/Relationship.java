// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How an NPC stands to another or to a player. What is left out stays as it is.
 *
 * @param trust from -5, a sworn enemy, to 5, would die for (-5 to 5; may be null)
 * @param note why, in a few words that follow the name (at most 256 characters; may be null)
 */
public record Relationship(Long trust, String note) {

    /**
     * One with all that is required, and nothing else.
     *
     * @return it
     */
    public static Relationship of() {
        return new Relationship(null, null);
    }

    /**
     * The same with another value.
     *
     * @param trust from -5, a sworn enemy, to 5, would die for (-5 to 5; may be null)
     * @return a copy
     */
    public Relationship withTrust(Long trust) {
        return new Relationship(trust, note);
    }

    /**
     * The same with another value.
     *
     * @param note why, in a few words that follow the name (at most 256 characters; may be null)
     * @return a copy
     */
    public Relationship withNote(String note) {
        return new Relationship(trust, note);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Relationship fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Relationship read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Relationship(
            Wire.optional(map, "trust", path, Wire::integer),
            Wire.optional(map, "note", path, Wire::string));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        if (trust != null) {
            map.put("trust", trust);
        }
        if (note != null) {
            map.put("note", note);
        }
        return map;
    }
}
