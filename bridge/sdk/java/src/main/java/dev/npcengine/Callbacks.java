package dev.npcengine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/**
 * Runs the game's callbacks on the game's executor: one at a time and in order, even where that is a pool.
 *
 * <p>The executor is asked once for all callbacks that wait, since a game's scheduler may run one task per tick.
 */
final class Callbacks {
    private static final System.Logger LOGGER = System.getLogger(Callbacks.class.getName());

    private record Task(Runnable run, Consumer<RuntimeException> refused) {}

    private final Executor executor;
    private final Deque<Task> waiting = new ArrayDeque<>();
    private boolean scheduled;

    Callbacks(Executor executor) {
        this.executor = executor;
    }

    /** Run {@code callback} soon. Its failure is its own. It is dropped if the executor takes nothing any more. */
    void run(Runnable callback) {
        submit(new Task(callback, refusal -> {}));
    }

    /** Complete {@code future} where callbacks run, or right here with an error if the executor takes nothing. */
    <T> void complete(CompletableFuture<T> future, T value) {
        submit(new Task(() -> future.complete(value), future::completeExceptionally));
    }

    /** Fail {@code future} where callbacks run, or right here if the executor takes nothing. */
    void fail(CompletableFuture<?> future, NpcException error) {
        submit(new Task(
                () -> future.completeExceptionally(error), refusal -> future.completeExceptionally(error)));
    }

    private void submit(Task task) {
        synchronized (waiting) {
            waiting.add(task);
            if (scheduled) {
                return;
            }
            scheduled = true;
        }
        schedule();
    }

    private void schedule() {
        try {
            executor.execute(this::drain);
        } catch (RuntimeException refusal) {
            // A game that shuts down closes its scheduler first. Nobody may wait for ever for that.
            LOGGER.log(System.Logger.Level.DEBUG, "The executor for callbacks takes nothing any more", refusal);
            takeAll().forEach(task -> task.refused.accept(refusal));
        }
    }

    private void drain() {
        List<Task> batch;
        synchronized (waiting) {
            batch = new ArrayList<>(waiting);
            waiting.clear();
        }
        batch.forEach(Callbacks::attempt);
        synchronized (waiting) {
            scheduled = !waiting.isEmpty();
            if (!scheduled) {
                return;
            }
        }
        schedule();
    }

    private List<Task> takeAll() {
        synchronized (waiting) {
            List<Task> all = new ArrayList<>(waiting);
            waiting.clear();
            scheduled = false;
            return all;
        }
    }

    private static void attempt(Task task) {
        try {
            task.run.run();
        } catch (RuntimeException | LinkageError | AssertionError error) {
            LOGGER.log(System.Logger.Level.ERROR, "A callback of the game failed", error);
        }
    }
}
