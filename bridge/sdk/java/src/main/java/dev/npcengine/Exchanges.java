package dev.npcengine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The requests that have no last answer yet: those that were sent, and those that wait for their turn.
 *
 * <p>No more are sent at once than the server takes.
 */
final class Exchanges {
    private static final int MOST_WAITING = 16_384;

    private final Map<Long, Exchange> sent = new LinkedHashMap<>();
    private final Deque<Exchange> waiting = new ArrayDeque<>();

    /** Have {@code exchange} wait for its turn. It fails if too many do. */
    void add(Exchange exchange) {
        if (waiting.size() >= MOST_WAITING) {
            String message = MOST_WAITING + " requests wait to be sent; ask for less at once.";
            exchange.fail(new NpcException("limit_requests", message));
        } else {
            waiting.add(exchange);
        }
    }

    /** Have {@code all} go before everyone who waits. */
    void addFirst(List<Exchange> all) {
        for (int index = all.size() - 1; index >= 0; index--) {
            waiting.addFirst(all.get(index));
        }
    }

    /** Who is next; null if nobody waits, or {@code most} are under way. */
    Exchange peek(long most) {
        return sent.size() < most ? waiting.peek() : null;
    }

    /** The one whom {@link #peek} gave is sent. */
    void sendNext() {
        Exchange next = waiting.remove();
        next.setSent(true);
        sent.put(next.id, next);
    }

    /** The one whom {@link #peek} gave isn't sent. */
    void dropNext() {
        waiting.remove();
    }

    /** The exchange under way that answers with {@code re} belong to; null if there is none. */
    Exchange find(Object re) {
        return re instanceof Number id ? sent.get(id.longValue()) : null; // 3.0 is 3
    }

    /** {@code exchange} has ended. */
    void remove(Exchange exchange) {
        sent.remove(exchange.id);
        waiting.remove(exchange);
    }

    Collection<Exchange> underWay() {
        return new ArrayList<>(sent.values());
    }

    /** Take those under way back among the waiting, first: nobody has heard of them. */
    void recall(Collection<Exchange> exchanges) {
        exchanges.forEach(exchange -> {
            sent.remove(exchange.id);
            exchange.setSent(false);
        });
        addFirst(new ArrayList<>(exchanges));
    }

    /** End all, with {@code reason}. */
    void fail(NpcException reason) {
        List<Exchange> all = new ArrayList<>(sent.values());
        all.addAll(waiting);
        sent.clear();
        waiting.clear();
        all.forEach(exchange -> exchange.fail(reason));
    }
}
