package dev.npcengine;

import dev.npcengine.protocol.Cancel;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Future;

/**
 * Brings requests to the server: no more at once, no larger and no faster than its limits allow, and nothing while there
 * is no connection. Lives on the loop.
 */
final class Outgoing {
    private static final long OPEN_REQUESTS = 64;
    private static final long MESSAGE_BYTES = 256 * 1024;
    private static final long MESSAGES_PER_SECOND = 200;
    private static final long MESSAGE_BURST = 1000;

    private final Loop loop;
    private final Exchanges exchanges;
    private Map<String, Object> limits = Map.of();
    private Socket socket;
    private Pace pace;
    private Future<?> turn;

    Outgoing(Loop loop, Exchanges exchanges) {
        this.loop = loop;
        this.exchanges = exchanges;
    }

    /** A new session begins on {@code connection}, under {@code stated} limits. */
    void begin(Socket connection, Map<String, Object> stated) {
        limits = stated;
        socket = connection;
        pace = new Pace(
                limit("messages_per_second", MESSAGES_PER_SECOND),
                limit("message_burst", MESSAGE_BURST),
                System.nanoTime());
    }

    /** The session goes on. What got no answer may not have arrived; the server knows it by its id if it did. */
    void resume(Socket connection) {
        socket = connection;
        for (Exchange exchange : exchanges.underWay()) {
            if (exchange.answers().isEmpty()) {
                sendNow(exchange.frame);
            }
            if (exchange.cancelled()) {
                cancel(exchange);
            }
        }
    }

    /** There is no connection any more. */
    void stop() {
        socket = null;
        if (turn != null) {
            turn.cancel(false);
            turn = null;
        }
    }

    /** Send what waits, as much as the server takes for now. */
    void pump() {
        if (socket == null || turn != null) {
            return;
        }
        Exchange next;
        while ((next = exchanges.peek(mostAtOnce())) != null) {
            long most = limit("message_bytes", MESSAGE_BYTES);
            if (next.frame.length > most) {
                exchanges.dropNext();
                next.fail(tooLarge(next.frame.length, most));
                continue;
            }
            Duration wait = pace.take(System.nanoTime());
            if (!wait.isZero()) {
                turn = loop.later(wait, this::nextTurn);
                return;
            }
            exchanges.sendNext();
            socket.send(next.frame);
        }
    }

    /** Have the server stop what it was asked for, if there is a connection. */
    void cancel(Exchange exchange) {
        if (socket != null) {
            sendNow(Msgpack.encode(Cancel.of(exchange.id).toMap()));
        }
    }

    private void sendNow(byte[] frame) {
        pace.take(System.nanoTime());
        socket.send(frame);
    }

    private void nextTurn() {
        turn = null;
        pump();
    }

    /** Half of what the server takes: for a moment, it counts a request that it has given the last answer to. */
    private long mostAtOnce() {
        return Math.max(1, limit("open_requests", OPEN_REQUESTS) / 2);
    }

    private long limit(String name, long otherwise) {
        return Answers.integer(limits, name, otherwise);
    }

    /** Such a message might be too much to be read, so that the server couldn't say what it refuses. */
    private static NpcException tooLarge(int bytes, long most) {
        String message = "The message has " + bytes + " bytes; the server takes at most " + most + ".";
        return new NpcException("limit_size", message);
    }
}
