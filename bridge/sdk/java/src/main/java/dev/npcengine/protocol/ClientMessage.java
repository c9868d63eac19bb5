// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;

import java.util.Map;
import java.util.Optional;

/** What a client sends. */
public sealed interface ClientMessage permits
    Hello,
    NpcSpawn,
    NpcDespawn,
    NpcForget,
    NpcUpdate,
    NpcList,
    NpcInspect,
    Say,
    EventMessage,
    Cancel,
    Ping,
    Hint,
    Budget,
    ActionsRegister,
    ActionsUnregister,
    ActionResult,
    Decide,
    AskStats,
    Subscribe {
    /**
     * Which message it is.
     *
     * @return its type
     */
    String type();

    /**
     * Its id, which the answers carry.
     *
     * @return a String, a Long, or null
     */
    Object id();

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
    static Optional<ClientMessage> fromMap(Map<?, ?> map) {
        return switch (Wire.required(map, "type", "", Wire::string)) {
            case Hello.TYPE -> Optional.of(Hello.fromMap(map));
            case NpcSpawn.TYPE -> Optional.of(NpcSpawn.fromMap(map));
            case NpcDespawn.TYPE -> Optional.of(NpcDespawn.fromMap(map));
            case NpcForget.TYPE -> Optional.of(NpcForget.fromMap(map));
            case NpcUpdate.TYPE -> Optional.of(NpcUpdate.fromMap(map));
            case NpcList.TYPE -> Optional.of(NpcList.fromMap(map));
            case NpcInspect.TYPE -> Optional.of(NpcInspect.fromMap(map));
            case Say.TYPE -> Optional.of(Say.fromMap(map));
            case EventMessage.TYPE -> Optional.of(EventMessage.fromMap(map));
            case Cancel.TYPE -> Optional.of(Cancel.fromMap(map));
            case Ping.TYPE -> Optional.of(Ping.fromMap(map));
            case Hint.TYPE -> Optional.of(Hint.fromMap(map));
            case Budget.TYPE -> Optional.of(Budget.fromMap(map));
            case ActionsRegister.TYPE -> Optional.of(ActionsRegister.fromMap(map));
            case ActionsUnregister.TYPE -> Optional.of(ActionsUnregister.fromMap(map));
            case ActionResult.TYPE -> Optional.of(ActionResult.fromMap(map));
            case Decide.TYPE -> Optional.of(Decide.fromMap(map));
            case AskStats.TYPE -> Optional.of(AskStats.fromMap(map));
            case Subscribe.TYPE -> Optional.of(Subscribe.fromMap(map));
            default -> Optional.empty();
        };
    }
}
