package dev.npcengine;

import dev.npcengine.protocol.ReplyAction;

/** Carries out an action that an NPC takes, on the executor for callbacks. */
@FunctionalInterface
public interface ActionHandler {
    /**
     * Do it.
     *
     * @param call which NPC does what; {@code args} are as the action's schema says
     * @return what came of it; the NPC remembers that
     * @throws Exception if it could not be done; the NPC is told the exception's message
     */
    Outcome handle(ReplyAction call) throws Exception;
}
