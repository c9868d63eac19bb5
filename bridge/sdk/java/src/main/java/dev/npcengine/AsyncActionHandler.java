package dev.npcengine;

import dev.npcengine.protocol.ReplyAction;
import java.util.concurrent.CompletionStage;

/** Begins an action that takes a while, such as walking somewhere. It is called on the executor for callbacks. */
@FunctionalInterface
public interface AsyncActionHandler {
    /**
     * Begin it.
     *
     * @param call which NPC does what; {@code args} are as the action's schema says
     * @return completes with what came of it; if it fails, the NPC is told the exception's message
     * @throws Exception if it could not be begun; the NPC is told the exception's message
     */
    CompletionStage<Outcome> handle(ReplyAction call) throws Exception;
}
