package dev.npcengine;

import java.util.Map;

/** Reads what every answer of the server may have, from answers as maps. */
final class Answers {
    private Answers() {}

    static String type(Map<String, Object> answer) {
        return String.valueOf(answer.get("type"));
    }

    /** A string, or {@code otherwise} where there is none. */
    static String text(Map<String, Object> answer, String field, String otherwise) {
        return answer.get(field) instanceof String text ? text : otherwise;
    }

    /** An integer, or {@code otherwise} where there is none. */
    static long integer(Map<String, Object> answer, String field, long otherwise) {
        return answer.get(field) instanceof Number number ? number.longValue() : otherwise;
    }

    /** A map, empty where there is none. */
    @SuppressWarnings("unchecked") // keys are strings in everything that Msgpack reads
    static Map<String, Object> map(Map<String, Object> answer, String field) {
        return answer.get(field) instanceof Map<?, ?> map ? (Map<String, Object>) map : Map.of();
    }

    /** The exception for an {@code error}. */
    static NpcException toException(Map<String, Object> error) {
        Long retry = error.get("retry_after_ms") instanceof Number number ? number.longValue() : null;
        String message = text(error, "message", "The server doesn't say why.");
        return new NpcException(text(error, "code", "internal"), message, text(error, "path", ""), retry);
    }
}
