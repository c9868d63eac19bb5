// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The answer to `npc.inspect`.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param npc the NPC's id in the game (1 to 128 characters)
 * @param persona the id of its persona
 * @param name what it is called
 * @param active false once it was despawned
 * @param mood its mood now
 * @param relationships how it stands to others, by their ids
 * @param journal the newest entries, oldest first
 * @param tokens tokens in each part of the prompt
 * @param kv what is kept of its attention state
 */
public record NpcInfo(
    Object re,
    Long seq,
    String npc,
    String persona,
    String name,
    boolean active,
    String mood,
    Map<String, Map<String, Object>> relationships,
    List<Remembered> journal,
    Map<String, Long> tokens,
    KvUse kv) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "npc.info";

    /**
     * One with all that is required, and nothing else.
     *
     * @param npc the NPC's id in the game (1 to 128 characters)
     * @param persona the id of its persona
     * @param name what it is called
     * @param active false once it was despawned
     * @param mood its mood now
     * @param relationships how it stands to others, by their ids
     * @param journal the newest entries, oldest first
     * @param tokens tokens in each part of the prompt
     * @param kv what is kept of its attention state
     * @return it
     */
    public static NpcInfo of(String npc, String persona, String name, boolean active, String mood, Map<String, Map<String, Object>> relationships, List<Remembered> journal, Map<String, Long> tokens, KvUse kv) {
        return new NpcInfo(null, null, npc, persona, name, active, mood, relationships, journal, tokens, kv);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public NpcInfo withRe(Object re) {
        return new NpcInfo(re, seq, npc, persona, name, active, mood, relationships, journal, tokens, kv);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public NpcInfo withSeq(Long seq) {
        return new NpcInfo(re, seq, npc, persona, name, active, mood, relationships, journal, tokens, kv);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcInfo fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcInfo read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcInfo(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "npc", path, Wire::string),
            Wire.required(map, "persona", path, Wire::string),
            Wire.required(map, "name", path, Wire::string),
            Wire.required(map, "active", path, Wire::bool),
            Wire.required(map, "mood", path, Wire::string),
            Wire.required(map, "relationships", path, Wire.map(Wire.map(Wire::any))),
            Wire.required(map, "journal", path, Wire.list(Remembered::read)),
            Wire.required(map, "tokens", path, Wire.map(Wire::integer)),
            Wire.required(map, "kv", path, KvUse::read));
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
        map.put("persona", persona);
        map.put("name", name);
        map.put("active", active);
        map.put("mood", mood);
        map.put("relationships", relationships);
        map.put("journal", Wire.plain(journal, Remembered::toMap));
        map.put("tokens", tokens);
        map.put("kv", kv.toMap());
        return map;
    }
}
