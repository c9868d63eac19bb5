package dev.npcengine;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON as the values that {@link Msgpack} reads and writes: integers are Long, other numbers Double. */
final class Json {
    private Json() {}

    static Object parse(String text) {
        return plain(JsonParser.parseString(text));
    }

    private static Object plain(JsonElement element) {
        if (element.isJsonNull()) {
            return null;
        }
        if (element.isJsonArray()) {
            return list(element.getAsJsonArray());
        }
        if (element.isJsonObject()) {
            Map<String, Object> map = new LinkedHashMap<>();
            element.getAsJsonObject().entrySet().forEach(entry -> map.put(entry.getKey(), plain(entry.getValue())));
            return map;
        }
        return primitive(element.getAsJsonPrimitive());
    }

    private static List<Object> list(JsonArray array) {
        List<Object> list = new ArrayList<>();
        array.forEach(entry -> list.add(plain(entry)));
        return list;
    }

    private static Object primitive(JsonPrimitive primitive) {
        if (primitive.isBoolean()) {
            return primitive.getAsBoolean();
        }
        if (primitive.isString()) {
            return primitive.getAsString();
        }
        String digits = primitive.getAsString();
        if (digits.matches("-?\\d+")) {
            BigInteger integer = new BigInteger(digits);
            return integer.bitLength() < Long.SIZE ? (Object) integer.longValue() : integer;
        }
        return new BigDecimal(digits).doubleValue();
    }
}
