package dev.npcengine.protocol;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Checks what a msgpack or JSON library decoded. Numbers arrive from languages that know one kind of them: 1.0 is an
 * integer where one is meant, and 1 a number. Nothing else is converted.
 */
final class Wire {
    /** Reads one value. Throws IllegalArgumentException that names the path and what was expected. */
    @FunctionalInterface
    interface Reader<T> {
        T read(Object value, String path);
    }

    private Wire() {}

    static <T> T required(Map<?, ?> map, String key, String path, Reader<T> reader) {
        if (!map.containsKey(key)) {
            throw new IllegalArgumentException("`" + join(path, key) + "` is missing.");
        }
        return reader.read(map.get(key), join(path, key));
    }

    static <T> T optional(Map<?, ?> map, String key, String path, Reader<T> reader) {
        Object value = map.get(key);
        return value == null ? null : reader.read(value, join(path, key));
    }

    static Map<?, ?> entries(Object value, String path) {
        if (value instanceof Map<?, ?> map) {
            return map;
        }
        throw wrong(path, "a map", value);
    }

    static String string(Object value, String path) {
        if (value instanceof String string) {
            return string;
        }
        throw wrong(path, "a string", value);
    }

    static Long integer(Object value, String path) {
        try {
            if (value instanceof Double || value instanceof Float) {
                return new BigDecimal(((Number) value).doubleValue()).longValueExact();
            }
            if (value instanceof BigInteger big) {
                return big.longValueExact();
            }
        } catch (ArithmeticException | NumberFormatException notWhole) {
            throw wrong(path, "an integer of 64 bits", value);
        }
        if (value instanceof Long || value instanceof Integer || value instanceof Short || value instanceof Byte) {
            return ((Number) value).longValue();
        }
        throw wrong(path, "an integer", value);
    }

    static Double number(Object value, String path) {
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        throw wrong(path, "a number", value);
    }

    static Boolean bool(Object value, String path) {
        if (value instanceof Boolean bool) {
            return bool;
        }
        throw wrong(path, "true or false", value);
    }

    static Object id(Object value, String path) {
        return value instanceof String ? value : integer(value, path);
    }

    static Object any(Object value, String path) {
        return value;
    }

    static <T> Reader<List<T>> list(Reader<T> reader) {
        return (value, path) -> {
            if (!(value instanceof List<?> list)) {
                throw wrong(path, "a list", value);
            }
            List<T> read = new ArrayList<>(list.size());
            for (Object entry : list) {
                read.add(reader.read(entry, path + "[" + read.size() + "]"));
            }
            return read;
        };
    }

    /** Entries may be null: that is how a client takes one away. */
    static <T> Reader<Map<String, T>> map(Reader<T> reader) {
        return (value, path) -> {
            Map<String, T> read = new LinkedHashMap<>();
            entries(value, path).forEach((key, entry) -> {
                String name = string(key, path);
                read.put(name, entry == null ? null : reader.read(entry, join(path, name)));
            });
            return read;
        };
    }

    static <T> List<Object> plain(List<T> values, Function<T, Map<String, Object>> toMap) {
        List<Object> plain = new ArrayList<>(values.size());
        for (T value : values) {
            plain.add(toMap.apply(value));
        }
        return plain;
    }

    static <T> Map<String, Object> plain(Map<String, T> values, Function<T, Map<String, Object>> toMap) {
        Map<String, Object> plain = new LinkedHashMap<>();
        values.forEach((key, value) -> plain.put(key, value == null ? null : toMap.apply(value)));
        return plain;
    }

    private static String join(String path, String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    private static IllegalArgumentException wrong(String path, String expected, Object value) {
        String got = value == null ? "nothing" : value.getClass().getSimpleName();
        return new IllegalArgumentException("`" + path + "`: expected " + expected + ", got " + got + ".");
    }
}
