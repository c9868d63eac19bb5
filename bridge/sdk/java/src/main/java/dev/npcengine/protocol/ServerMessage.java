// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.Map;
import java.util.Optional;

/** What a server sends. */
public sealed interface ServerMessage permits
    Welcome,
    Ok,
    Pong,
    NpcListing,
    NpcInfo,
    ReplyStart,
    ReplyDelta,
    ReplySentence,
    ReplyAction,
    ReplyDone,
    Decided,
    MemoryCompacted,
    Stats,
    NpcChanged,
    LogLine,
    ErrorMessage,
    Bye {
    /**
     * Which message it is.
     *
     * @return its type
     */
    String type();

    /**
     * The id of the request that it answers.
     *
     * @return a String, a Long, or null
     */
    Object re();

    /**
     * Its place in the session.
     *
     * @return a number that counts up, or null before there is one
     */
    Long seq();

    /**
     * As a library can encode it.
     *
     * @return a new map; what is null is left out
     */
    Map<String, Object> toMap();

    /**
     * Takes what a library decoded.
     *
     * @param map the map; unknown keys are ignored
     * @return the message; empty for a type of a later version
     * @throws IllegalArgumentException if something is missing or wrong; its message names the path
     */
    static Optional<ServerMessage> fromMap(Map<?, ?> map) {
        return switch (Wire.required(map, "type", "", Wire::string)) {
            case Welcome.TYPE -> Optional.of(Welcome.fromMap(map));
            case Ok.TYPE -> Optional.of(Ok.fromMap(map));
            case Pong.TYPE -> Optional.of(Pong.fromMap(map));
            case NpcListing.TYPE -> Optional.of(NpcListing.fromMap(map));
            case NpcInfo.TYPE -> Optional.of(NpcInfo.fromMap(map));
            case ReplyStart.TYPE -> Optional.of(ReplyStart.fromMap(map));
            case ReplyDelta.TYPE -> Optional.of(ReplyDelta.fromMap(map));
            case ReplySentence.TYPE -> Optional.of(ReplySentence.fromMap(map));
            case ReplyAction.TYPE -> Optional.of(ReplyAction.fromMap(map));
            case ReplyDone.TYPE -> Optional.of(ReplyDone.fromMap(map));
            case Decided.TYPE -> Optional.of(Decided.fromMap(map));
            case MemoryCompacted.TYPE -> Optional.of(MemoryCompacted.fromMap(map));
            case Stats.TYPE -> Optional.of(Stats.fromMap(map));
            case NpcChanged.TYPE -> Optional.of(NpcChanged.fromMap(map));
            case LogLine.TYPE -> Optional.of(LogLine.fromMap(map));
            case ErrorMessage.TYPE -> Optional.of(ErrorMessage.fromMap(map));
            case Bye.TYPE -> Optional.of(Bye.fromMap(map));
            default -> Optional.empty();
        };
    }
}
