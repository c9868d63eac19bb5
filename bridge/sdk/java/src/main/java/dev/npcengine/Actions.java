package dev.npcengine;

import dev.npcengine.protocol.ReplyAction;
import dev.npcengine.protocol.Scope;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;

/** The game's handlers, by whose actions they are and what these are called. Safe to use from any thread. */
final class Actions {
    private static final System.Logger LOGGER = System.getLogger(Actions.class.getName());
    private static final int LONGEST_MESSAGE = 1024;

    private record Key(String npc, String persona, String name) {}

    private final Map<Key, AsyncActionHandler> handlers = new ConcurrentHashMap<>();
    private final Callbacks callbacks;
    private final UnaryOperator<String> personaOf;
    private final BiConsumer<ReplyAction, Outcome> report;

    /** {@code report} tells the server what came of a call. {@code personaOf} is called on the loop. */
    Actions(Callbacks callbacks, UnaryOperator<String> personaOf, BiConsumer<ReplyAction, Outcome> report) {
        this.callbacks = callbacks;
        this.personaOf = personaOf;
        this.report = report;
    }

    void add(Scope scope, String name, AsyncActionHandler handler) {
        handlers.put(key(scope, name), handler);
    }

    void remove(Scope scope, String name) {
        handlers.remove(key(scope, name));
    }

    /** Have a handler carry out {@code call}, and report what came of it. */
    void carryOut(ReplyAction call) {
        AsyncActionHandler handler = find(call);
        if (handler == null) {
            report.accept(call, Outcome.failed("The game doesn't know how to do that."));
            return;
        }
        callbacks.run(() -> begin(handler, call).whenComplete((outcome, error) -> {
            if (error == null && outcome != null) {
                report.accept(call, outcome);
            } else {
                LOGGER.log(System.Logger.Level.WARNING, "The action " + call.name() + " failed", error);
                report.accept(call, Outcome.failed(explain(error)));
            }
        }));
    }

    private static CompletionStage<Outcome> begin(AsyncActionHandler handler, ReplyAction call) {
        try {
            CompletionStage<Outcome> begun = handler.handle(call);
            return begun == null ? CompletableFuture.completedFuture(null) : begun;
        } catch (Exception | LinkageError | AssertionError error) {
            return CompletableFuture.failedFuture(error);
        }
    }

    private AsyncActionHandler find(ReplyAction call) {
        AsyncActionHandler own = handlers.get(new Key(call.npc(), null, call.name()));
        if (own != null) {
            return own;
        }
        AsyncActionHandler kind = handlers.get(new Key(null, personaOf.apply(call.npc()), call.name()));
        return kind != null ? kind : handlers.get(new Key(null, null, call.name()));
    }

    private static Key key(Scope scope, String name) {
        return new Key(scope.npc(), scope.persona(), name);
    }

    private static String explain(Throwable error) {
        if (error == null) {
            return "Nothing came of it.";
        }
        Throwable cause = error instanceof CompletionException && error.getCause() != null
                ? error.getCause()
                : error;
        String message = cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
        return message.substring(0, Math.min(message.length(), LONGEST_MESSAGE));
    }
}
