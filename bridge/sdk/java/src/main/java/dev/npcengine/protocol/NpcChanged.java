// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What became of an NPC, whichever client caused it, and how it is now: what subscribers to `npc` get. A client that reads slowly gets only the newest change of each NPC. What an NPC said is not told here.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param npc the NPC's id in the game (1 to 128 characters)
 * @param what it came, was parked, was deleted, was told how things are, or has spoken
 * @param persona the id of its persona
 * @param name what it is called
 * @param active false once it was despawned or forgotten
 * @param mood its mood now
 */
public record NpcChanged(
    Object re,
    Long seq,
    String npc,
    String what,
    String persona,
    String name,
    boolean active,
    String mood) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "npc.changed";

    /**
     * One with all that is required, and nothing else.
     *
     * @param npc the NPC's id in the game (1 to 128 characters)
     * @param what it came, was parked, was deleted, was told how things are, or has spoken
     * @param persona the id of its persona
     * @param name what it is called
     * @param active false once it was despawned or forgotten
     * @param mood its mood now
     * @return it
     */
    public static NpcChanged of(String npc, String what, String persona, String name, boolean active, String mood) {
        return new NpcChanged(null, null, npc, what, persona, name, active, mood);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public NpcChanged withRe(Object re) {
        return new NpcChanged(re, seq, npc, what, persona, name, active, mood);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public NpcChanged withSeq(Long seq) {
        return new NpcChanged(re, seq, npc, what, persona, name, active, mood);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcChanged fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcChanged read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcChanged(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "what", path, Wire::string),
            Wire.required(map, "persona", path, Wire::string),
            Wire.required(map, "name", path, Wire::string),
            Wire.required(map, "active", path, Wire::bool),
            Wire.required(map, "mood", path, Wire::string));
    }

    @Override
    public String type() {
        return TYPE;
    }

    @Override
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", TYPE);
        if (re != null) {
            map.put("re", re);
        }
        if (seq != null) {
            map.put("seq", seq);
        }
        map.put("npc", npc);
        map.put("what", what);
        map.put("persona", persona);
        map.put("name", name);
        map.put("active", active);
        map.put("mood", mood);
        return map;
    }
}
