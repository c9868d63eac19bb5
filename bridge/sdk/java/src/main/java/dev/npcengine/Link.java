package dev.npcengine;

import dev.npcengine.protocol.ClientInfo;
import dev.npcengine.protocol.Heartbeat;
import dev.npcengine.protocol.Hello;
import dev.npcengine.protocol.Protocol;
import dev.npcengine.protocol.Resume;
import dev.npcengine.protocol.Welcome;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A client's tie to its server, which outlives any one connection.
 *
 * <p>It connects, says hello, and when the connection is lost connects again, later and later. If the server still has
 * the session, it goes on where it was: what was missed arrives, once and in order, and requests that may not have been
 * heard are sent again under their ids. If not, the new session is told what stands, requests that do no harm twice
 * are sent again, and lines and events fail, since nobody knows whether they were heard.
 *
 * <p>Everything here happens on the loop.
 */
final class Link implements Socket.Owner {
    private static final System.Logger LOGGER = System.getLogger(Link.class.getName());
    private static final int TAKEN_OVER = 4001;
    private static final Heartbeat HEARTBEAT = new Heartbeat(30_000, 120_000);

    private enum State {
        IDLE,
        CONNECTING,
        GREETING,
        READY,
        WAITING,
        CLOSED
    }

    /** Who is told what no request asked for. */
    interface Observer {
        /** A session begins, or goes on. */
        void welcomed(Welcome welcome);

        /** The connection is lost; the next one is on its way. */
        void lost(NpcException why);

        /** A message that may concern more than the request it answers. */
        void told(Map<String, Object> message);
    }

    private final Loop loop;
    private final Settings settings;
    private final HttpClient http;
    private final Observer observer;
    private final AtomicLong ids;
    private final Callbacks callbacks;
    private final Exchanges exchanges = new Exchanges();
    private final Outgoing outgoing;
    private final Standing standing;
    private final CompletableFuture<Welcome> first = new CompletableFuture<>();
    private final CompletableFuture<Void> closed = new CompletableFuture<>();

    private State state = State.IDLE;
    private Socket socket;
    private String session = "";
    private long lastSeq;
    private boolean welcomed;
    private int attempts;
    private NpcException ending;
    private String bye = "";
    private Future<?> alarm;
    private Future<?> patience;

    Link(
            Loop loop,
            Callbacks callbacks,
            Settings settings,
            HttpClient http,
            AtomicLong ids,
            Standing standing,
            Observer observer) {
        this.loop = loop;
        this.outgoing = new Outgoing(loop, exchanges);
        this.callbacks = callbacks;
        this.settings = settings;
        this.http = http;
        this.ids = ids;
        this.standing = standing;
        this.observer = observer;
    }

    /** The first welcome; fails if there is none. Completes on the loop. */
    CompletableFuture<Welcome> first() {
        return first;
    }

    /** Completes on the loop once the last connection has ended after {@link #close}. */
    CompletableFuture<Void> closed() {
        return closed;
    }

    /** Begin to connect. Harmless when repeated. */
    void start() {
        if (state == State.IDLE) {
            await(gone("No server has answered at " + settings.url() + " yet"));
            connect();
        }
    }

    /** Send a request as soon as that can be. */
    void open(Exchange exchange) {
        if (exchange.ended()) {
            return;
        }
        if (state == State.CLOSED) {
            exchange.fail(ending);
        } else if (state != State.IDLE && state != State.READY && patience == null) {
            exchange.fail(gone("No server answers at " + settings.url() + " for now"));
        } else {
            exchanges.add(exchange);
            outgoing.pump();
        }
    }

    /** Have the server stop what {@code exchange} asked for; if it doesn't know of it yet, it never will. */
    void cancel(Exchange exchange) {
        if (exchange.ended() || exchange.cancelled()) {
            return;
        }
        exchange.setCancelled();
        if (!exchange.sent()) {
            exchanges.remove(exchange);
            exchange.receive(cancelled(exchange));
        } else {
            outgoing.cancel(exchange);
        }
    }

    /** End: open requests fail, the server is told goodbye. Harmless when repeated. */
    void close() {
        end(new NpcException(NpcException.CLOSED, "This client was closed."));
    }

    @Override
    public void opened(Socket from) {
        if (from == socket && state == State.CONNECTING) {
            state = State.GREETING;
            from.send(Msgpack.encode(hello()));
        }
    }

    @Override
    public void received(Socket from, byte[] frame) {
        if (from != socket || state == State.CLOSED) {
            return;
        }
        Map<String, Object> message;
        try {
            message = Msgpack.decode(frame);
        } catch (NpcException error) {
            from.abort("it sent what can't be read: " + error.getMessage());
            return;
        }
        if (state == State.GREETING) {
            greeted(from, message);
        } else {
            receive(message);
        }
    }

    @Override
    public void ended(Socket from, int code, String reason) {
        if (from != socket) {
            return;
        }
        stop(alarm);
        outgoing.stop();
        if (state == State.CLOSED) {
            closed.complete(null);
            return;
        }
        boolean wasReady = state == State.READY;
        String why = bye.isEmpty() ? reason : bye;
        bye = "";
        if (code == TAKEN_OVER) {
            session = "";
        }
        if (!welcomed && !settings.waitForServer()) {
            String remedy = "Start one with `npc-engine serve`, or name the address of one.";
            end(new NpcException(
                    NpcException.UNREACHABLE,
                    "No NPC Engine answers at " + settings.url() + " (" + why + "). " + remedy));
            closed.complete(null);
            return;
        }
        state = State.WAITING;
        if (wasReady) {
            NpcException error = gone("The connection to " + settings.url() + " ended: " + why);
            await(error);
            observer.lost(error);
        }
        loop.later(settings.backoff().before(attempts++), this::reconnect);
    }

    private void reconnect() {
        if (state == State.WAITING) {
            connect();
        }
    }

    private void connect() {
        state = State.CONNECTING;
        socket = new Socket(loop, this);
        Socket current = socket;
        alarm = loop.later(settings.timeout(), () -> current.abort("it doesn't answer within " + settings.timeout()));
        socket.open(http, settings.url(), settings.timeout());
    }

    private Map<String, Object> hello() {
        ClientInfo client = ClientInfo.of(settings.name()).withVersion(settings.version()).withGame(settings.game());
        Hello hello = Hello.of(Protocol.VERSION, client).withId(0L).withToken(settings.token());
        return (session.isEmpty() ? hello : hello.withResume(new Resume(session, lastSeq))).toMap();
    }

    private void greeted(Socket from, Map<String, Object> message) {
        switch (Answers.type(message)) {
            case Welcome.TYPE -> {
                try {
                    welcome(Welcome.fromMap(message), Answers.map(message, "limits"));
                } catch (IllegalArgumentException malformed) {
                    from.abort("its welcome can't be read: " + malformed.getMessage());
                }
            }
            case "error" -> {
                NpcException error = Answers.toException(message);
                // A server that shuts down or has no room says so too; only these don't mend themselves.
                if (error.code().equals("unauthorized") || error.code().equals("unsupported_version")
                        || error.code().equals("bad_message")) {
                    end(error);
                } else {
                    from.abort(error.getMessage());
                }
            }
            case "bye" -> bye = Answers.text(message, "reason", "");
            default -> from.abort("it doesn't answer as an NPC Engine does");
        }
    }

    private void welcome(Welcome welcome, Map<String, Object> limits) {
        stop(alarm);
        stop(patience);
        patience = null;
        state = State.READY;
        attempts = 0;
        welcomed = true;
        if (Boolean.TRUE.equals(welcome.resumed())) {
            outgoing.resume(socket);
        } else {
            beginAfresh(welcome);
            outgoing.begin(socket, limits);
        }
        watch(welcome.heartbeat() == null ? HEARTBEAT : welcome.heartbeat());
        observer.welcomed(welcome);
        first.complete(welcome);
        outgoing.pump();
    }

    private void beginAfresh(Welcome welcome) {
        boolean again = lastSeq > 0;
        session = welcome.session();
        lastSeq = welcome.seq() == null ? 0 : welcome.seq();
        List<Exchange> repeated = new ArrayList<>();
        for (Exchange exchange : exchanges.underWay()) {
            if (exchange.repeatable() && !exchange.cancelled()) {
                repeated.add(exchange);
            } else {
                exchanges.remove(exchange);
                exchange.fail(gone("The server has lost the session"));
            }
        }
        exchanges.recall(repeated);
        if (again) {
            exchanges.addFirst(standing.requests().stream().map(this::renewed).toList());
        }
    }

    private Exchange renewed(Map<String, Object> request) {
        Map<String, Object> copy = new LinkedHashMap<>(request);
        copy.put("id", ids.incrementAndGet());
        Exchange exchange = new Exchange(loop, callbacks, copy);
        exchange.last(answer -> answer).exceptionally(error -> {
            LOGGER.log(System.Logger.Level.WARNING, "The new session doesn't take {0}: {1}", request, error);
            return null;
        });
        return exchange;
    }

    private void receive(Map<String, Object> message) {
        long seq = Answers.integer(message, "seq", 0);
        if (seq > 0 && seq <= lastSeq) {
            return;
        }
        lastSeq = Math.max(lastSeq, seq);
        if (Answers.type(message).equals("bye")) {
            bye = Answers.text(message, "reason", "");
            return;
        }
        Exchange exchange = exchanges.find(message.get("re"));
        if (exchange != null && exchange.receive(message)) {
            exchanges.remove(exchange);
            if (exchange.error() == null) {
                standing.note(exchange.request);
            }
            outgoing.pump();
        }
        observer.told(message);
    }

    /** Nothing at all has come for so long that the server would have sent several pings: it is gone. */
    private void watch(Heartbeat heartbeat) {
        Duration most = Duration.ofMillis(heartbeat.timeoutMs());
        Duration interval = Duration.ofMillis(heartbeat.intervalMs());
        Socket current = socket;
        alarm = loop.later(interval, () -> {
            if (current.silence().compareTo(most) > 0) {
                current.abort("nothing has come from it for " + most);
            } else if (current == socket && state == State.READY) {
                watch(heartbeat);
            }
        });
    }

    /** Requests wait a while for a connection; then they, and those that come until there is one, fail. */
    private void await(NpcException error) {
        patience = loop.later(settings.patience(), () -> {
            patience = null;
            exchanges.fail(error);
        });
    }

    private void end(NpcException why) {
        if (state == State.CLOSED) {
            return;
        }
        boolean connected = socket != null && state != State.WAITING;
        state = State.CLOSED;
        ending = why;
        stop(patience);
        outgoing.stop();
        exchanges.fail(why);
        first.completeExceptionally(why);
        if (connected) {
            socket.close();
        } else {
            closed.complete(null);
        }
    }

    private NpcException gone(String what) {
        return new NpcException(NpcException.CONNECTION_LOST, what + ".");
    }

    private static Map<String, Object> cancelled(Exchange exchange) {
        if (!exchange.type.equals("say")) {
            return Map.of("type", "error", "code", "cancelled", "message", "Cancelled before it was sent.");
        }
        return Map.of(
                "type", "reply.done",
                "re", exchange.id,
                "npc", exchange.request.get("npc"),
                "text", "",
                "finish", "cancelled");
    }

    private static void stop(Future<?> timer) {
        if (timer != null) {
            timer.cancel(false);
        }
    }
}
