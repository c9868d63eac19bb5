package dev.npcengine;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class BackoffTest {
    @Test
    void waitsDoubleUpToTheLongest() {
        Backoff backoff = new Backoff(Duration.ofMillis(100), Duration.ofSeconds(1));
        for (int attempt = 0; attempt < 100; attempt++) {
            long most = Math.min(1000, 100L << Math.min(attempt, 10));
            long wait = backoff.before(attempt).toMillis();
            assertTrue(wait >= most / 2 && wait <= most, "attempt " + attempt + " waits " + wait + " ms");
        }
    }

    @Test
    void noWaitAtAllIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> new Backoff(Duration.ZERO, Duration.ofSeconds(1)));
        assertThrows(IllegalArgumentException.class, () -> new Backoff(Duration.ofSeconds(2), Duration.ofSeconds(1)));
    }
}
