// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.List;

/** What all messages have in common. */
public final class Protocol {
    /** The version of the protocol that these classes are of. */
    public static final long VERSION = 1;

    /** The codes of errors. Take others too: they grow with the protocol. */
    public static final List<String> ERROR_CODES = List.of(
        "bad_message",
        "unknown_type",
        "unsupported_version",
        "unauthorized",
        "unknown_npc",
        "unknown_persona",
        "invalid_persona",
        "unknown_action",
        "schema_unsupported",
        "limit_size",
        "limit_rate",
        "limit_requests",
        "deadline",
        "cancelled",
        "overloaded",
        "checkpoint_not_found",
        "internal");

    private Protocol() {}
}
