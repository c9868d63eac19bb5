package dev.npcengine;

import dev.npcengine.protocol.ReplyDone;
import dev.npcengine.protocol.ReplySentence;
import dev.npcengine.protocol.ServerMessage;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Consumer;

/**
 * What NPCs say to an event, as it comes. A silent event has none, and is done once it is remembered.
 *
 * <p>Listeners get everything from the beginning, in order and on the executor for callbacks.
 */
public final class Reactions {
    private static final Set<String> SPOKEN = Set.of("reply.delta", "reply.sentence", "reply.done");

    private final Exchange exchange;
    private final Runnable cancel;

    Reactions(Exchange exchange, Runnable cancel) {
        this.exchange = exchange;
        this.cancel = cancel;
    }

    /**
     * Hear each whole sentence of each NPC.
     *
     * @param listener is given the next sentence; {@code npc} tells whose
     * @return these reactions
     */
    public Reactions onSentence(Consumer<ReplySentence> listener) {
        exchange.each(
                answer -> Answers.type(answer).equals(ReplySentence.TYPE) ? ReplySentence.fromMap(answer) : null,
                listener);
        return this;
    }

    /**
     * Pieces, sentences and ends of all reactions for a subscriber that says how many it wants.
     *
     * @return a publisher of {@code ReplyDelta}, {@code ReplySentence} and {@code ReplyDone}; it begins at the
     *     beginning for each subscriber and fails with {@link NpcException}
     */
    public Flow.Publisher<ServerMessage> messages() {
        return exchange.publisher(answer ->
                SPOKEN.contains(Answers.type(answer)) ? ServerMessage.fromMap(answer).orElse(null) : null);
    }

    /**
     * All reactions, complete.
     *
     * @return completes on the executor for callbacks; fails with {@link NpcException}, whose code is
     *     {@code cancelled} after {@link #cancel}
     */
    public CompletableFuture<List<ReplyDone>> done() {
        return exchange.last(answer -> exchange.answers().stream()
                .filter(each -> Answers.type(each).equals(ReplyDone.TYPE))
                .map(ReplyDone::fromMap)
                .toList());
    }

    /** Stop all reactions. */
    public void cancel() {
        cancel.run();
    }
}
