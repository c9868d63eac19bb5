// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The answer to `npc.list`.
 *
 * @param re the id of the request that this answers (may be null)
 * @param seq its place in the session; the server's to set (may be null)
 * @param npcs every NPC that was asked for, by id
 */
public record NpcListing(
    Object re,
    Long seq,
    List<NpcSummary> npcs) implements ServerMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "npc.listing";

    /**
     * One with all that is required, and nothing else.
     *
     * @param npcs every NPC that was asked for, by id
     * @return it
     */
    public static NpcListing of(List<NpcSummary> npcs) {
        return new NpcListing(null, null, npcs);
    }

    /**
     * The same with another value.
     *
     * @param re the id of the request that this answers (may be null)
     * @return a copy
     */
    public NpcListing withRe(Object re) {
        return new NpcListing(re, seq, npcs);
    }

    /**
     * The same with another value.
     *
     * @param seq its place in the session; the server's to set (may be null)
     * @return a copy
     */
    public NpcListing withSeq(Long seq) {
        return new NpcListing(re, seq, npcs);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static NpcListing fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static NpcListing read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new NpcListing(
            Wire.optional(map, "re", path, Wire::id),
            Wire.optional(map, "seq", path, Wire::integer),
            Wire.required(map, "npcs", path, Wire.list(NpcSummary::read)));
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
        map.put("npcs", Wire.plain(npcs, NpcSummary::toMap));
        return map;
    }
}
