package dev.npcengine;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Flow;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * One request and the answers that it has got so far, as maps. Many may follow them, each from the beginning.
 *
 * <p>Its state belongs to the loop; {@link #last}, {@link #publisher} and {@link #each} may be called from anywhere.
 */
final class Exchange {
    /** Requests that leave something in a memory: carried out twice they would be there twice. */
    private static final Set<String> TOLD_ONCE = Set.of("say", "event", "decide", "action.result");

    final long id;
    final String type;
    final byte[] frame;
    final Map<String, Object> request;

    private final Loop loop;
    private final Callbacks callbacks;
    private final List<Map<String, Object>> answers = new ArrayList<>();
    private final List<Follower<?>> followers = new ArrayList<>();
    private final CompletableFuture<Map<String, Object>> last = new CompletableFuture<>();
    private NpcException error;
    private boolean ended;
    private boolean sent;
    private boolean cancelled;

    /** {@code request} has its {@code type} and {@code id}. It has ended already if it can't be written. */
    Exchange(Loop loop, Callbacks callbacks, Map<String, Object> request) {
        this.loop = loop;
        this.callbacks = callbacks;
        this.id = (Long) request.get("id");
        this.type = (String) request.get("type");
        byte[] written = new byte[0];
        // A copy: the game may change its lists and maps while the request waits.
        Map<String, Object> copy = Map.of();
        try {
            written = Msgpack.encode(request);
            copy = Msgpack.decode(written);
        } catch (NpcException unwritable) {
            fail(unwritable);
        }
        this.frame = written;
        this.request = copy;
    }

    /** The last answer as {@code read} makes something of it, on the game's executor. Fails with NpcException. */
    <T> CompletableFuture<T> last(Function<Map<String, Object>, T> read) {
        CompletableFuture<T> result = new CompletableFuture<>();
        // On the loop, so that those who listen already hear all of it before, even if it is there.
        loop.execute(() -> last.thenApply(read).whenComplete((value, failure) -> {
            if (failure == null) {
                callbacks.complete(result, value);
            } else {
                callbacks.fail(result, asNpcException(failure));
            }
        }));
        return result;
    }

    /** All answers of which {@code pick} makes something other than null, in order and on the game's executor. */
    <T> Flow.Publisher<T> publisher(Function<Map<String, Object>, T> pick) {
        return subscriber -> add(new Follower<>(this, pick, subscriber, 0));
    }

    /** Give {@code listener} what the publisher would, all of it, and before the last answer. */
    <T> void each(Function<Map<String, Object>, T> pick, Consumer<? super T> listener) {
        add(new Follower<>(this, pick, new Unhurried<>(listener), Long.MAX_VALUE));
    }

    void onLoop(Runnable task) {
        loop.execute(task);
    }

    void onGame(Runnable callback) {
        callbacks.run(callback);
    }

    List<Map<String, Object>> answers() {
        return answers;
    }

    boolean ended() {
        return ended;
    }

    /** Why there are no more answers, once there are none; null if the last one has come. */
    NpcException error() {
        return error;
    }

    /** Whether it can be asked again where nobody knows if it was heard. */
    boolean repeatable() {
        return !TOLD_ONCE.contains(type);
    }

    boolean sent() {
        return sent;
    }

    void setSent(boolean sent) {
        this.sent = sent;
    }

    boolean cancelled() {
        return cancelled;
    }

    void setCancelled() {
        cancelled = true;
    }

    /** Add an answer. Returns whether it is the last. */
    boolean receive(Map<String, Object> answer) {
        String kind = String.valueOf(answer.get("type"));
        if (kind.equals("error")) {
            fail(Answers.toException(answer));
            return true;
        }
        answers.add(answer);
        ended = isLast(kind);
        advance();
        if (ended) {
            last.complete(answer);
        }
        return ended;
    }

    /** There will be no further answer, because of {@code reason}. */
    void fail(NpcException reason) {
        if (!ended) {
            error = reason;
            ended = true;
            advance();
            last.completeExceptionally(reason);
        }
    }

    private void add(Follower<?> follower) {
        loop.execute(() -> {
            followers.add(follower);
            follower.begin();
        });
    }

    private void advance() {
        followers.forEach(Follower::advance);
    }

    private boolean isLast(String kind) {
        if (kind.equals("ok")) {
            return true;
        }
        return type.equals("say") ? kind.equals("reply.done") : !kind.startsWith("reply.");
    }

    /** What an exception that comes out of a future means to the game. */
    static NpcException asNpcException(Throwable failure) {
        Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
        return cause instanceof NpcException known
                ? known
                : new NpcException("bad_message", "The server's answer can't be read: " + cause + ".");
    }
}
