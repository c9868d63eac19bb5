package dev.npcengine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class PaceTest {
    @Test
    void aBurstAndThenSoManyPerSecondAreNeverMoreThanTheServerTakes() {
        long now = 0;
        Pace pace = new Pace(200, 1000, now);
        double serverTokens = 1000;
        int sent = 0;
        while (sent < 3000) {
            Duration wait = pace.take(now);
            if (wait.isZero()) {
                sent++;
                serverTokens--;
                assertTrue(serverTokens >= 0, "message " + sent);
            } else {
                now += wait.toNanos();
                serverTokens = Math.min(1000, serverTokens + wait.toNanos() * 200 / 1e9);
            }
        }
        assertEquals(11.7, now / 1e9, 0.1); // (3000 - 900) / 180
    }
}
