package dev.npcengine;

import dev.npcengine.protocol.ReplyDelta;
import dev.npcengine.protocol.ReplyDone;
import dev.npcengine.protocol.ReplySentence;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.function.Consumer;

/**
 * An NPC's answer, as it comes. The line was sent when this was made; nothing here waits.
 *
 * <p>Listeners get everything from the beginning, whenever they are added, in order and on the executor for callbacks.
 * A slow one holds up neither the answer nor other listeners. Take the pieces or the sentences, not both: the text is
 * the same.
 */
public final class Reply {
    private final Exchange exchange;
    private final Runnable cancel;

    Reply(Exchange exchange, Runnable cancel) {
        this.exchange = exchange;
        this.cancel = cancel;
    }

    /**
     * Hear each piece of text as soon as it is there.
     *
     * @param listener is given the next piece; all of them together are the answer
     * @return this reply
     */
    public Reply onPiece(Consumer<String> listener) {
        exchange.each(answer -> text(answer, ReplyDelta.TYPE), listener);
        return this;
    }

    /**
     * Hear each whole sentence, for chat bubbles and speech.
     *
     * @param listener is given the next sentence
     * @return this reply
     */
    public Reply onSentence(Consumer<String> listener) {
        exchange.each(answer -> text(answer, ReplySentence.TYPE), listener);
        return this;
    }

    /**
     * The pieces of text for a subscriber that says how many it wants. It fails with {@link NpcException}.
     *
     * @return a publisher that begins at the beginning for each subscriber
     */
    public Flow.Publisher<String> pieces() {
        return exchange.publisher(answer -> text(answer, ReplyDelta.TYPE));
    }

    /**
     * The sentences for a subscriber that says how many it wants. It fails with {@link NpcException}.
     *
     * @return a publisher that begins at the beginning for each subscriber
     */
    public Flow.Publisher<String> sentences() {
        return exchange.publisher(answer -> text(answer, ReplySentence.TYPE));
    }

    /**
     * The complete answer, with its usage and timings. Listeners have heard all of it by then.
     *
     * @return completes on the executor for callbacks; fails with {@link NpcException}
     */
    public CompletableFuture<ReplyDone> done() {
        return exchange.last(answer -> {
            if (!Answers.type(answer).equals(ReplyDone.TYPE)) {
                throw new NpcException(NpcException.CONNECTION_LOST, "The line was heard; its answer is lost.");
            }
            return ReplyDone.fromMap(answer);
        });
    }

    /** Stop the NPC. The answer ends soon, with finish {@code cancelled} and what was said until then. */
    public void cancel() {
        cancel.run();
    }

    private static String text(Map<String, Object> answer, String type) {
        return Answers.type(answer).equals(type) ? Answers.text(answer, "text", "") : null;
    }
}
