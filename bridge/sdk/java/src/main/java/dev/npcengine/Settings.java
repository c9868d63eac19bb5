package dev.npcengine;

import java.net.URI;
import java.time.Duration;

/** What a link is told once: where the server is, who calls, and how patient to be. {@code token} may be null. */
record Settings(
        URI url,
        String token,
        String name,
        String version,
        String game,
        Duration timeout,
        Duration patience,
        Backoff backoff,
        boolean waitForServer) {}
