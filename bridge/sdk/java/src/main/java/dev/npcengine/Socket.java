package dev.npcengine;

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;

/**
 * One WebSocket connection: whole messages in, whole messages out, and one end.
 *
 * <p>Everything is called, and calls its owner, on the loop; only the JDK's own callbacks come from other threads. The
 * JDK delivers messages in parts, wants one message to be sent before the next, and tells of an end in three ways.
 */
final class Socket implements WebSocket.Listener {
    static final String SUBPROTOCOL = "npc.v1.msgpack";

    private static final int NORMAL_CLOSURE = 1000;
    private static final int LARGEST_MESSAGE = 64 << 20;
    private static final Duration PATIENCE_FOR_CLOSING = Duration.ofSeconds(2);

    /** Who uses the connection. */
    interface Owner {
        /** Messages can be sent. */
        void opened(Socket socket);

        /** The server sent a message. The next one comes after this returns. */
        void received(Socket socket, byte[] frame);

        /** The connection is over or never came about, as {@code reason} says in words. Comes once, and last. */
        void ended(Socket socket, int code, String reason);
    }

    /** The code of an end without a closing handshake. */
    static final int ABNORMAL = 1006;

    /** The code where there never was a connection. */
    static final int NEVER_OPENED = 0;

    private final Loop loop;
    private final Owner owner;
    private final Deque<byte[]> waiting = new ArrayDeque<>();
    private WebSocket socket;
    private int waitingBytes;
    private boolean sending;
    private boolean closing;
    private boolean ended;
    private volatile long heardAt = System.nanoTime();
    private ByteArrayOutputStream parts = new ByteArrayOutputStream();

    Socket(Loop loop, Owner owner) {
        this.loop = loop;
        this.owner = owner;
    }

    /** Connect to {@code url}; the owner is told how that went. */
    void open(HttpClient http, URI url, Duration timeout) {
        http.newWebSocketBuilder()
                .subprotocols(SUBPROTOCOL)
                .connectTimeout(timeout)
                .buildAsync(url, this)
                .whenCompleteAsync(
                        (opened, error) -> {
                            if (error != null) {
                                end(NEVER_OPENED, explain(error));
                            } else {
                                begin(opened);
                            }
                        },
                        loop);
    }

    /** Send a message after those that wait. Nothing happens if the connection is over. */
    void send(byte[] frame) {
        if (!ended && !closing) {
            waiting.add(frame);
            waitingBytes += frame.length;
            pump();
        }
    }

    /** Bytes that wait for the server to read them. */
    int waitingBytes() {
        return waitingBytes;
    }

    /** How long nothing has come from the server, not even a ping. */
    Duration silence() {
        return Duration.ofNanos(System.nanoTime() - heardAt);
    }

    /** Send what waits, say goodbye, and see the connection end, within two seconds. */
    void close() {
        if (ended || closing) {
            return;
        }
        closing = true;
        if (socket == null) {
            end(NEVER_OPENED, "it was given up");
            return;
        }
        loop.later(PATIENCE_FOR_CLOSING, () -> abort("it was closed"));
        pump();
    }

    /** End the connection at once, without a word to the server. */
    void abort(String reason) {
        if (socket != null) {
            socket.abort();
        }
        end(ABNORMAL, reason);
    }

    @Override
    public void onOpen(WebSocket opened) {
        // The first message is asked for once the owner knows of the connection.
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket from, ByteBuffer data, boolean last) {
        heardAt = System.nanoTime();
        if (parts.size() + data.remaining() > LARGEST_MESSAGE) {
            loop.execute(() -> abort("it sent a message of more than " + LARGEST_MESSAGE + " bytes"));
            return null;
        }
        byte[] part = new byte[data.remaining()];
        data.get(part);
        parts.writeBytes(part);
        if (!last) {
            from.request(1);
            return null;
        }
        byte[] frame = parts.toByteArray();
        parts = new ByteArrayOutputStream();
        loop.execute(() -> {
            if (!ended) {
                owner.received(this, frame);
                from.request(1);
            }
        });
        return null;
    }

    @Override
    public CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
        loop.execute(() -> abort("it sent text where " + SUBPROTOCOL + " was agreed on"));
        return null;
    }

    @Override
    public CompletionStage<?> onPing(WebSocket from, ByteBuffer message) {
        heardAt = System.nanoTime();
        from.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket from, int code, String reason) {
        loop.execute(() -> end(code, reason.isEmpty() ? "the server closed it with code " + code : reason));
        return null;
    }

    @Override
    public void onError(WebSocket from, Throwable error) {
        loop.execute(() -> end(ABNORMAL, explain(error)));
    }

    private void begin(WebSocket opened) {
        socket = opened;
        if (ended) {
            opened.abort();
        } else if (!SUBPROTOCOL.equals(opened.getSubprotocol())) {
            abort("what listens there doesn't speak " + SUBPROTOCOL);
        } else {
            heardAt = System.nanoTime();
            opened.request(1);
            owner.opened(this);
        }
    }

    private void pump() {
        if (sending || ended || socket == null) {
            return;
        }
        byte[] frame = waiting.poll();
        if (frame != null) {
            sending = true;
            socket.sendBinary(ByteBuffer.wrap(frame), true)
                    .whenCompleteAsync((sent, error) -> sent(frame.length, error), loop);
        } else if (closing) {
            sending = true;
            socket.sendClose(NORMAL_CLOSURE, "").whenCompleteAsync(
                    (sent, error) -> {
                        if (error != null) {
                            abort(explain(error));
                        }
                    },
                    loop);
        }
    }

    private void sent(int bytes, Throwable error) {
        sending = false;
        waitingBytes -= bytes;
        if (error == null) {
            pump();
        } else {
            abort(explain(error));
        }
    }

    private void end(int code, String reason) {
        if (!ended) {
            ended = true;
            waiting.clear();
            owner.ended(this, code, reason);
        }
    }

    private static String explain(Throwable error) {
        Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        if (cause instanceof WebSocketHandshakeException refused && refused.getResponse() != null) {
            return "it refuses with HTTP status " + refused.getResponse().statusCode();
        }
        String message = cause.getMessage();
        return cause.getClass().getSimpleName() + (message == null ? "" : ": " + message);
    }
}
