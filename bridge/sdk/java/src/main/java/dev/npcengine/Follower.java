package dev.npcengine;

import java.util.Map;
import java.util.concurrent.Flow;
import java.util.function.Function;

/** One who reads an exchange's answers at its own speed. Nobody waits for it: the answers are kept as it goes. */
final class Follower<T> implements Flow.Subscription {
    private final Exchange exchange;
    private final Function<Map<String, Object>, T> pick;
    private final Flow.Subscriber<? super T> subscriber;
    private int index;
    private long demand;
    private boolean completed;
    private volatile boolean cancelled;

    /** {@code demand} is how many are wanted before the subscriber asks for any. */
    Follower(
            Exchange exchange,
            Function<Map<String, Object>, T> pick,
            Flow.Subscriber<? super T> subscriber,
            long demand) {
        this.demand = demand;
        this.exchange = exchange;
        this.pick = pick;
        this.subscriber = subscriber;
    }

    /** Tell the subscriber that it may ask. */
    void begin() {
        deliver(() -> subscriber.onSubscribe(this));
        advance();
    }

    /** Deliver what was asked for and is there. */
    void advance() {
        try {
            deliverWanted();
            skipOthers();
        } catch (RuntimeException malformed) {
            fail(Exchange.asNpcException(malformed));
        }
        if (!completed && exchange.ended() && index == exchange.answers().size()) {
            completed = true;
            NpcException error = exchange.error();
            deliver(error == null ? subscriber::onComplete : () -> subscriber.onError(error));
        }
    }

    private void deliverWanted() {
        while (!cancelled && !completed && demand > 0 && index < exchange.answers().size()) {
            T item = pick.apply(exchange.answers().get(index++));
            if (item != null) {
                demand--;
                deliver(() -> subscriber.onNext(item));
            }
        }
    }

    @Override
    public void request(long count) {
        exchange.onLoop(() -> {
            if (count <= 0) {
                fail(new IllegalArgumentException("Expected to be asked for 1 or more."));
            } else {
                demand = demand + count < 0 ? Long.MAX_VALUE : demand + count;
                advance();
            }
        });
    }

    @Override
    public void cancel() {
        cancelled = true;
    }

    /** The end needs no demand: pass over answers that would not be delivered anyway. */
    private void skipOthers() {
        while (index < exchange.answers().size() && pick.apply(exchange.answers().get(index)) == null) {
            index++;
        }
    }

    private void fail(RuntimeException error) {
        if (!completed) {
            completed = true;
            deliver(() -> subscriber.onError(error));
        }
    }

    private void deliver(Runnable signal) {
        exchange.onGame(() -> {
            if (!cancelled) {
                signal.run();
            }
        });
    }
}
