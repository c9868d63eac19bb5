// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the server has to do and what it keeps: the answer to `stats`, and what its subscribers get.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param sessions clients that are connected
 * @param npcs how many NPCs there are
 * @param engine what the engine does
 * @param tiers by name: device, ram, disk
 */
public record Stats(
    Object re,
    Long seq,
    long sessions,
    NpcCounts npcs,
    EngineCounters engine,
    Map<String, TierUse> tiers) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "stats";

    /**
     * One with all that is required, and nothing else.
     *
     * @param sessions clients that are connected
     * @param npcs how many NPCs there are
     * @param engine what the engine does
     * @param tiers by name: device, ram, disk
     * @return it
     */
    public static Stats of(long sessions, NpcCounts npcs, EngineCounters engine, Map<String, TierUse> tiers) {
        return new Stats(null, null, sessions, npcs, engine, tiers);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public Stats withRe(Object re) {
        return new Stats(re, seq, sessions, npcs, engine, tiers);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public Stats withSeq(Long seq) {
        return new Stats(re, seq, sessions, npcs, engine, tiers);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Stats fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Stats read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Stats(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "sessions", path, Wire::integer),
            Wire.required(map, "npcs", path, NpcCounts::read),
            Wire.required(map, "engine", path, EngineCounters::read),
            Wire.required(map, "tiers", path, Wire.map(TierUse::read)));
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
        map.put("sessions", sessions);
        map.put("npcs", npcs.toMap());
        map.put("engine", engine.toMap());
        map.put("tiers", Wire.plain(tiers, TierUse::toMap));
        return map;
    }
}
