package dev.npcengine;

import java.io.IOException;
import java.nio.charset.CodingErrorAction;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessagePack;
import org.msgpack.core.MessagePackException;
import org.msgpack.core.MessagePacker;
import org.msgpack.core.MessageUnpacker;
import org.msgpack.value.ValueType;

/**
 * Messages as bytes and back: maps with string keys, lists, strings, integers of 64 bits, numbers, truth values, null.
 *
 * <p>Integers come back as {@code Long} and other numbers as {@code Double}.
 */
final class Msgpack {
    private static final int MOST_LEVELS = 64;
    private static final int FIRST_CAPACITY = 16;

    private static final MessagePack.UnpackerConfig STRICT = new MessagePack.UnpackerConfig()
            .withActionOnMalformedString(CodingErrorAction.REPORT)
            .withActionOnUnmappableString(CodingErrorAction.REPORT);

    private Msgpack() {}

    /**
     * Write a message.
     *
     * @throws NpcException with code {@code bad_message} if it has a value that can't travel
     */
    static byte[] encode(Map<String, ?> message) {
        try (MessageBufferPacker packer = MessagePack.newDefaultBufferPacker()) {
            write(packer, message, "", 0);
            return packer.toByteArray();
        } catch (IOException | MessagePackException error) {
            throw new NpcException("bad_message", "This can't be written as msgpack: " + error.getMessage() + ".");
        }
    }

    /**
     * Read a message.
     *
     * @throws NpcException with code {@code bad_message} if the bytes are not one msgpack map of these values
     */
    static Map<String, Object> decode(byte[] frame) {
        try (MessageUnpacker unpacker = STRICT.newUnpacker(frame)) {
            if (unpacker.getNextFormat().getValueType() != ValueType.MAP) {
                throw wrong("not a map");
            }
            Map<String, Object> message = readMap(unpacker, frame.length, 0);
            if (unpacker.hasNext()) {
                throw wrong("bytes follow the message");
            }
            return message;
        } catch (IOException | MessagePackException error) {
            throw wrong(String.valueOf(error.getMessage()));
        }
    }

    private static void write(MessagePacker packer, Object value, String path, int level) throws IOException {
        if (level > MOST_LEVELS) {
            throw unwritable(path, "nested more than " + MOST_LEVELS + " levels deep");
        }
        if (value == null) {
            packer.packNil();
        } else if (value instanceof String text) {
            packer.packString(text);
        } else if (value instanceof Boolean truth) {
            packer.packBoolean(truth);
        } else if (value instanceof Long || value instanceof Integer || value instanceof Short || value instanceof Byte) {
            packer.packLong(((Number) value).longValue());
        } else if (value instanceof Double || value instanceof Float) {
            packer.packDouble(finite(((Number) value).doubleValue(), path));
        } else if (value instanceof Map<?, ?> map) {
            packer.packMapHeader(map.size());
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                if (!(entry.getKey() instanceof String key)) {
                    throw unwritable(path, "has a key that is not a string");
                }
                packer.packString(key);
                write(packer, entry.getValue(), path.isEmpty() ? key : path + "." + key, level + 1);
            }
        } else if (value instanceof List<?> list) {
            packer.packArrayHeader(list.size());
            for (int index = 0; index < list.size(); index++) {
                write(packer, list.get(index), path + "[" + index + "]", level + 1);
            }
        } else {
            throw unwritable(path, "is a " + value.getClass().getName() + ", which msgpack doesn't have");
        }
    }

    private static double finite(double number, String path) {
        if (!Double.isFinite(number)) {
            throw unwritable(path, "is not a finite number; leave the field out instead");
        }
        return number;
    }

    private static Object read(MessageUnpacker unpacker, int size, int level) throws IOException {
        if (level > MOST_LEVELS) {
            throw wrong("nested more than " + MOST_LEVELS + " levels deep");
        }
        return switch (unpacker.getNextFormat().getValueType()) {
            case NIL -> {
                unpacker.unpackNil();
                yield null;
            }
            case BOOLEAN -> unpacker.unpackBoolean();
            case INTEGER -> unpacker.unpackLong();
            case FLOAT -> readNumber(unpacker);
            case STRING -> unpacker.unpackString();
            case ARRAY -> readList(unpacker, size, level);
            case MAP -> readMap(unpacker, size, level);
            default -> throw wrong("binary data and extension types are not part of the protocol");
        };
    }

    private static Double readNumber(MessageUnpacker unpacker) throws IOException {
        double number = unpacker.unpackDouble();
        if (!Double.isFinite(number)) {
            throw wrong("a number is not finite");
        }
        return number;
    }

    private static List<Object> readList(MessageUnpacker unpacker, int size, int level) throws IOException {
        int length = plausible(unpacker.unpackArrayHeader(), size);
        List<Object> list = new ArrayList<>(Math.min(length, FIRST_CAPACITY));
        for (int index = 0; index < length; index++) {
            list.add(read(unpacker, size, level + 1));
        }
        return list;
    }

    private static Map<String, Object> readMap(MessageUnpacker unpacker, int size, int level) throws IOException {
        int length = plausible(unpacker.unpackMapHeader(), size);
        Map<String, Object> map = new LinkedHashMap<>();
        for (int index = 0; index < length; index++) {
            map.put(unpacker.unpackString(), read(unpacker, size, level + 1));
        }
        return map;
    }

    /** A header of five bytes can declare two billion entries; each needs at least a byte of the frame. */
    private static int plausible(int length, int size) {
        if (length > size) {
            throw wrong("a list or map declares more entries than there are bytes");
        }
        return length;
    }

    private static NpcException wrong(String problem) {
        return new NpcException("bad_message", "This is no message: " + problem + ".");
    }

    private static NpcException unwritable(String path, String problem) {
        return new NpcException("bad_message", "`" + path + "` " + problem + ".", path, null);
    }
}
