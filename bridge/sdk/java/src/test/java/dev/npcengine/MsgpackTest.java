package dev.npcengine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MsgpackTest {
    @Test
    void whatCannotTravelIsNamedByItsPath() {
        Map<String, Object> message = Map.of("schema", Map.of("enum", List.of("fight", new Object())));
        NpcException error = assertThrows(NpcException.class, () -> Msgpack.encode(message));
        assertEquals("bad_message", error.code());
        assertEquals("schema.enum[1]", error.path());
        assertThrows(NpcException.class, () -> Msgpack.encode(Map.of("salience", Double.NaN)));
        assertThrows(NpcException.class, () -> Msgpack.encode(Map.of("vars", Map.of(1, "one"))));
    }

    @Test
    void nestingHasAnEndInBothDirections() {
        List<Object> list = new ArrayList<>();
        Map<String, Object> loop = new HashMap<>(Map.of("list", list));
        list.add(loop);
        assertThrows(NpcException.class, () -> Msgpack.encode(loop));

        byte[] deep = new byte[100_000];
        java.util.Arrays.fill(deep, (byte) 0x91); // lists of one list
        deep[0] = (byte) 0x81;
        deep[1] = (byte) 0xa0;
        NpcException error = assertThrows(NpcException.class, () -> Msgpack.decode(deep));
        assertTrue(error.getMessage().contains("deep"), error.getMessage());
    }

    @Test
    void halfACharacterDoesNotStopTheRest() {
        byte[] frame = Msgpack.encode(Map.of("text", "a\ud83d!"));
        assertEquals("a?!", Msgpack.decode(frame).get("text"));
    }

    @Test
    void everyCutMessageIsRefused() {
        byte[] whole = Msgpack.encode(Map.of("type", "say", "list", List.of(1L, "two", true), "number", 0.5));
        for (int length = 0; length < whole.length; length++) {
            byte[] cut = java.util.Arrays.copyOf(whole, length);
            assertThrows(NpcException.class, () -> Msgpack.decode(cut), "after " + length + " bytes");
        }
    }
}
