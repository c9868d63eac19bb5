package dev.npcengine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.npcengine.protocol.ClientMessage;
import dev.npcengine.protocol.ServerMessage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** What all clients agree on, byte by byte: {@code bridge/schema/vectors.json}. */
class VectorsTest {
    private static final HexFormat HEX = HexFormat.of();
    private final Map<?, ?> vectors = read();

    @TestFactory
    Stream<DynamicTest> aMessageIsTheseBytes() {
        return entries("messages").map(vector -> DynamicTest.dynamicTest(text(vector, "type"), () -> {
            Map<?, ?> json = (Map<?, ?>) vector.get("json");
            byte[] bytes = HEX.parseHex(text(vector, "msgpack"));
            assertArrayEquals(bytes, Msgpack.encode(toMap(vector, json)), "what is sent");
            assertEquals(toMap(vector, json), toMap(vector, Msgpack.decode(bytes)), "what is read");
        }));
    }

    @TestFactory
    Stream<DynamicTest> aFrameMeansThis() {
        return entries("reads").filter(vector -> vector.containsKey("msgpack")).map(vector ->
                DynamicTest.dynamicTest(text(vector, "name") + ", from the " + vector.get("side"), () -> {
                    Map<String, Object> frame = Msgpack.decode(HEX.parseHex(text(vector, "msgpack")));
                    Object means = vector.get("means");
                    if (means == null) {
                        assertEquals(Optional.empty(), ServerMessage.fromMap(frame));
                    } else {
                        Map<String, Object> expected = toMap(vector, (Map<?, ?>) means);
                        expected.keySet().retainAll(frame.keySet()); // defaults are the server's to fill in
                        assertEquals(expected, toMap(vector, frame));
                    }
                }));
    }

    @TestFactory
    Stream<DynamicTest> aFrameIsNoMessage() {
        // Those that are JSON too are well-formed, and wrong for other reasons.
        return entries("refused").filter(vector -> vector.containsKey("msgpack") && !vector.containsKey("text"))
                .map(vector -> DynamicTest.dynamicTest(text(vector, "name"), () -> {
                    byte[] bytes = HEX.parseHex(text(vector, "msgpack"));
                    NpcException error = assertThrows(NpcException.class, () -> Msgpack.decode(bytes));
                    assertEquals("bad_message", error.code());
                }));
    }

    private Stream<Map<?, ?>> entries(String section) {
        List<?> all = (List<?>) vectors.get(section);
        assertTrue(all.size() > 10, "a section of vectors is not nearly empty");
        return all.stream().map(entry -> (Map<?, ?>) entry);
    }

    private static String text(Map<?, ?> vector, String field) {
        return (String) vector.get(field);
    }

    /** Through the record for it, as the client would send or read it. */
    private static Map<String, Object> toMap(Map<?, ?> vector, Map<?, ?> message) {
        return vector.get("side").equals("client")
                ? ClientMessage.fromMap(message).orElseThrow().toMap()
                : ServerMessage.fromMap(message).orElseThrow().toMap();
    }

    private static Map<?, ?> read() {
        try {
            Path path = Path.of(System.getProperty("npc.root"), "bridge", "schema", "vectors.json");
            return (Map<?, ?>) Json.parse(Files.readString(path));
        } catch (IOException error) {
            throw new AssertionError(error);
        }
    }
}
