// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Change how much attention state may be kept in each tier, and how fast may be generated, for everyone.
 *
 * @param id a string or an integer that the answers carry as 're'
 * @param deviceBytes the most bytes on the compute device (at least 0; may be null)
 * @param ramBytes the most bytes in RAM (at least 0; may be null)
 * @param diskBytes the most bytes on disk (at least 0; may be null)
 * @param tokensPerSecond the most tokens that all NPCs together say in a second, 0 for no limit (0 to 1000000.0; may be null)
 */
public record Budget(
    Object id,
    Long deviceBytes,
    Long ramBytes,
    Long diskBytes,
    Double tokensPerSecond) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "budget";

    /**
     * One with all that is required, and nothing else.
     *
     * @param id a string or an integer that the answers carry as 're'
     * @return it
     */
    public static Budget of(Object id) {
        return new Budget(id, null, null, null, null);
    }

    /**
     * The same with another value.
     *
     * @param deviceBytes the most bytes on the compute device (at least 0; may be null)
     * @return a copy
     */
    public Budget withDeviceBytes(Long deviceBytes) {
        return new Budget(id, deviceBytes, ramBytes, diskBytes, tokensPerSecond);
    }

    /**
     * The same with another value.
     *
     * @param ramBytes the most bytes in RAM (at least 0; may be null)
     * @return a copy
     */
    public Budget withRamBytes(Long ramBytes) {
        return new Budget(id, deviceBytes, ramBytes, diskBytes, tokensPerSecond);
    }

    /**
     * The same with another value.
     *
     * @param diskBytes the most bytes on disk (at least 0; may be null)
     * @return a copy
     */
    public Budget withDiskBytes(Long diskBytes) {
        return new Budget(id, deviceBytes, ramBytes, diskBytes, tokensPerSecond);
    }

    /**
     * The same with another value.
     *
     * @param tokensPerSecond the most tokens that all NPCs together say in a second, 0 for no limit (0 to 1000000.0; may be null)
     * @return a copy
     */
    public Budget withTokensPerSecond(Double tokensPerSecond) {
        return new Budget(id, deviceBytes, ramBytes, diskBytes, tokensPerSecond);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Budget fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Budget read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Budget(
            Wire.required(map, "id", path, Wire::id),
            Wire.optional(map, "device_bytes", path, Wire::integer),
            Wire.optional(map, "ram_bytes", path, Wire::integer),
            Wire.optional(map, "disk_bytes", path, Wire::integer),
            Wire.optional(map, "tokens_per_second", path, Wire::number));
    }

    @Override
    public String type() {
        return TYPE;
    }

    @Override
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", TYPE);
        map.put("id", id);
        if (deviceBytes != null) {
            map.put("device_bytes", deviceBytes);
        }
        if (ramBytes != null) {
            map.put("ram_bytes", ramBytes);
        }
        if (diskBytes != null) {
            map.put("disk_bytes", diskBytes);
        }
        if (tokensPerSecond != null) {
            map.put("tokens_per_second", tokensPerSecond);
        }
        return map;
    }
}
