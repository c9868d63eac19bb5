// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The first message of a client.
 *
 * @param id a string or an integer that the answers carry as 're' (may be null)
 * @param protocol the version of the protocol that the client speaks, 1
 * @param client who is calling: {name, version, game}
 * @param token the server's token, where it asks for one (may be null)
 * @param resume a lost session to go on with: {session, last_seq} (may be null)
 */
public record Hello(
    Object id,
    long protocol,
    ClientInfo client,
    String token,
    Resume resume) implements ClientMessage {

    /** The message's {&#64;code type}. */
    public static final String TYPE = "hello";

    /**
     * One with all that is required, and nothing else.
     *
     * @param protocol the version of the protocol that the client speaks, 1
     * @param client who is calling: {name, version, game}
     * @return it
     */
    public static Hello of(long protocol, ClientInfo client) {
        return new Hello(null, protocol, client, null, null);
    }

    /**
     * The same with another value.
     *
     * @param id a string or an integer that the answers carry as 're' (may be null)
     * @return a copy
     */
    public Hello withId(Object id) {
        return new Hello(id, protocol, client, token, resume);
    }

    /**
     * The same with another value.
     *
     * @param token the server's token, where it asks for one (may be null)
     * @return a copy
     */
    public Hello withToken(String token) {
        return new Hello(id, protocol, client, token, resume);
    }

    /**
     * The same with another value.
     *
     * @param resume a lost session to go on with: {session, last_seq} (may be null)
     * @return a copy
     */
    public Hello withResume(Resume resume) {
        return new Hello(id, protocol, client, token, resume);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Hello fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Hello read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Hello(
            Wire.optional(map, "id", path, Wire::id),
            Wire.required(map, "protocol", path, Wire::integer),
            Wire.required(map, "client", path, ClientInfo::read),
            Wire.optional(map, "token", path, Wire::string),
            Wire.optional(map, "resume", path, Resume::read));
    }

    @Override
    public String type() {
        return TYPE;
    }

    @Override
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", TYPE);
        if (id != null) {
            map.put("id", id);
        }
        map.put("protocol", protocol);
        map.put("client", client.toMap());
        if (token != null) {
            map.put("token", token);
        }
        if (resume != null) {
            map.put("resume", resume.toMap());
        }
        return map;
    }
}
