package dev.npcengine;

import java.time.Duration;

/** Keeps to the server's limit of messages per second, so that none is refused: a token bucket as the server's own. */
final class Pace {
    private static final double NANOS = 1e9;

    /** A little slower than allowed, since the two ends' clocks and bursts don't quite agree. */
    private static final double CAUTION = 0.9;

    private final double perNano;
    private final double burst;
    private double tokens;
    private long countedAt;

    /** {@code now} is in nanoseconds, on a clock that never goes back. */
    Pace(long perSecond, long burst, long now) {
        this.perNano = Math.max(1, perSecond) * CAUTION / NANOS;
        this.burst = Math.max(1, burst * CAUTION);
        this.tokens = this.burst;
        this.countedAt = now;
    }

    /** Count one message. Returns zero if it may be sent; if not, how long to wait before asking again. */
    Duration take(long now) {
        tokens = Math.min(burst, tokens + (now - countedAt) * perNano);
        countedAt = now;
        if (tokens < 1) {
            return Duration.ofNanos((long) Math.ceil((1 - tokens) / perNano));
        }
        tokens--;
        return Duration.ZERO;
    }
}
