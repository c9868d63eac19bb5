package dev.npcengine;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How long to wait before connecting again: twice as long after each attempt that failed, up to a maximum.
 *
 * @param first before the first attempt
 * @param longest between two attempts at most
 */
public record Backoff(Duration first, Duration longest) {
    /** A quarter of a second at first, at most ten seconds. */
    public static final Backoff DEFAULT = new Backoff(Duration.ofMillis(250), Duration.ofSeconds(10));

    private static final int MOST_DOUBLINGS = 30;

    /**
     * Checks the times.
     *
     * @param first before the first attempt
     * @param longest between two attempts at most
     * @throws IllegalArgumentException if {@code first} is not positive or above {@code longest}
     */
    public Backoff {
        if (first.isNegative() || first.isZero() || first.compareTo(longest) > 0) {
            throw new IllegalArgumentException("Expected 0 < first <= longest, got " + first + " and " + longest + ".");
        }
    }

    /** The wait before attempt {@code attempt}, from 0; a random part keeps many clients from coming all at once. */
    Duration before(int attempt) {
        long most = Math.min(longest.toMillis(), first.toMillis() << Math.min(attempt, MOST_DOUBLINGS));
        long least = Math.max(1, most / 2);
        return Duration.ofMillis(ThreadLocalRandom.current().nextLong(least, Math.max(most, least) + 1));
    }
}
