// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * All limits of a session. Beyond one of them is an error with a `limit_*` code; the session goes on.
 *
 * @param messageBytes the largest message, encoded (at least 1024; 262144 if null)
 * @param stringChars the longest string in a message (at least 128; 16384 if null)
 * @param depth how deep maps and lists may be nested (at least 4; 16 if null)
 * @param items the most entries of one map or list (at least 16; 1024 if null)
 * @param openRequests requests without a final answer yet (at least 1; 64 if null)
 * @param npcs NPCs that one session has spawned and not despawned (at least 1; 4096 if null)
 * @param messagesPerSecond messages, sustained (at least 1; 200 if null)
 * @param messageBurst messages at once, after a quiet while (at least 1; 1000 if null)
 * @param queueMessages messages that may wait for a client that reads slowly (at least 8; 1024 if null)
 * @param queueBytes bytes that may wait for it (at least 4096; 1048576 if null)
 * @param resumeMessages messages that are kept for a client that comes back (at least 0; 4096 if null)
 * @param resumeBytes bytes that are kept for it (at least 0; 4194304 if null)
 */
public record Limits(
    Long messageBytes,
    Long stringChars,
    Long depth,
    Long items,
    Long openRequests,
    Long npcs,
    Long messagesPerSecond,
    Long messageBurst,
    Long queueMessages,
    Long queueBytes,
    Long resumeMessages,
    Long resumeBytes) {

    /**
     * One with all that is required, and nothing else.
     *
     * @return it
     */
    public static Limits of() {
        return new Limits(null, null, null, null, null, null, null, null, null, null, null, null);
    }

    /**
     * The same with another value.
     *
     * @param messageBytes the largest message, encoded (at least 1024; 262144 if null)
     * @return a copy
     */
    public Limits withMessageBytes(Long messageBytes) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param stringChars the longest string in a message (at least 128; 16384 if null)
     * @return a copy
     */
    public Limits withStringChars(Long stringChars) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param depth how deep maps and lists may be nested (at least 4; 16 if null)
     * @return a copy
     */
    public Limits withDepth(Long depth) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param items the most entries of one map or list (at least 16; 1024 if null)
     * @return a copy
     */
    public Limits withItems(Long items) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param openRequests requests without a final answer yet (at least 1; 64 if null)
     * @return a copy
     */
    public Limits withOpenRequests(Long openRequests) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param npcs NPCs that one session has spawned and not despawned (at least 1; 4096 if null)
     * @return a copy
     */
    public Limits withNpcs(Long npcs) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param messagesPerSecond messages, sustained (at least 1; 200 if null)
     * @return a copy
     */
    public Limits withMessagesPerSecond(Long messagesPerSecond) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param messageBurst messages at once, after a quiet while (at least 1; 1000 if null)
     * @return a copy
     */
    public Limits withMessageBurst(Long messageBurst) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param queueMessages messages that may wait for a client that reads slowly (at least 8; 1024 if null)
     * @return a copy
     */
    public Limits withQueueMessages(Long queueMessages) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param queueBytes bytes that may wait for it (at least 4096; 1048576 if null)
     * @return a copy
     */
    public Limits withQueueBytes(Long queueBytes) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param resumeMessages messages that are kept for a client that comes back (at least 0; 4096 if null)
     * @return a copy
     */
    public Limits withResumeMessages(Long resumeMessages) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * The same with another value.
     *
     * @param resumeBytes bytes that are kept for it (at least 0; 4194304 if null)
     * @return a copy
     */
    public Limits withResumeBytes(Long resumeBytes) {
        return new Limits(messageBytes, stringChars, depth, items, openRequests, npcs, messagesPerSecond, messageBurst, queueMessages, queueBytes, resumeMessages, resumeBytes);
    }

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return it
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    public static Limits fromMap(Map<?, ?> map) {
        return read(map, "");
    }

    static Limits read(Object value, String path) {
        Map<?, ?> map = Wire.entries(value, path);
        return new Limits(
            Wire.optional(map, "message_bytes", path, Wire::integer),
            Wire.optional(map, "string_chars", path, Wire::integer),
            Wire.optional(map, "depth", path, Wire::integer),
            Wire.optional(map, "items", path, Wire::integer),
            Wire.optional(map, "open_requests", path, Wire::integer),
            Wire.optional(map, "npcs", path, Wire::integer),
            Wire.optional(map, "messages_per_second", path, Wire::integer),
            Wire.optional(map, "message_burst", path, Wire::integer),
            Wire.optional(map, "queue_messages", path, Wire::integer),
            Wire.optional(map, "queue_bytes", path, Wire::integer),
            Wire.optional(map, "resume_messages", path, Wire::integer),
            Wire.optional(map, "resume_bytes", path, Wire::integer));
    }

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        if (messageBytes != null) {
            map.put("message_bytes", messageBytes);
        }
        if (stringChars != null) {
            map.put("string_chars", stringChars);
        }
        if (depth != null) {
            map.put("depth", depth);
        }
        if (items != null) {
            map.put("items", items);
        }
        if (openRequests != null) {
            map.put("open_requests", openRequests);
        }
        if (npcs != null) {
            map.put("npcs", npcs);
        }
        if (messagesPerSecond != null) {
            map.put("messages_per_second", messagesPerSecond);
        }
        if (messageBurst != null) {
            map.put("message_burst", messageBurst);
        }
        if (queueMessages != null) {
            map.put("queue_messages", queueMessages);
        }
        if (queueBytes != null) {
            map.put("queue_bytes", queueBytes);
        }
        if (resumeMessages != null) {
            map.put("resume_messages", resumeMessages);
        }
        if (resumeBytes != null) {
            map.put("resume_bytes", resumeBytes);
        }
        return map;
    }
}
