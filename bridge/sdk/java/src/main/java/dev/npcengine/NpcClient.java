package dev.npcengine;

import dev.npcengine.protocol.Action;
import dev.npcengine.protocol.ActionResult;
import dev.npcengine.protocol.ActionsRegister;
import dev.npcengine.protocol.ActionsUnregister;
import dev.npcengine.protocol.AskStats;
import dev.npcengine.protocol.Budget;
import dev.npcengine.protocol.ClientMessage;
import dev.npcengine.protocol.Decide;
import dev.npcengine.protocol.Decided;
import dev.npcengine.protocol.EventMessage;
import dev.npcengine.protocol.Hint;
import dev.npcengine.protocol.NpcDespawn;
import dev.npcengine.protocol.NpcForget;
import dev.npcengine.protocol.NpcInfo;
import dev.npcengine.protocol.NpcInspect;
import dev.npcengine.protocol.NpcList;
import dev.npcengine.protocol.NpcListing;
import dev.npcengine.protocol.NpcSpawn;
import dev.npcengine.protocol.NpcSummary;
import dev.npcengine.protocol.NpcUpdate;
import dev.npcengine.protocol.Ping;
import dev.npcengine.protocol.ReplyAction;
import dev.npcengine.protocol.Say;
import dev.npcengine.protocol.Scope;
import dev.npcengine.protocol.Speaker;
import dev.npcengine.protocol.Stats;
import dev.npcengine.protocol.Subscribe;
import dev.npcengine.protocol.Welcome;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * A game's connection to an NPC Engine server. Many requests may run over it at once.
 *
 * <pre>{@code
 * try (NpcClient village = NpcClient.at("ws://127.0.0.1:8765").name("my-mod").start()) {
 *     village.spawn("greta", "greta");
 *     village.say("greta", Speaker.of("alex"), "Good morning!").onPiece(System.out::print).done().join();
 * }
 * }</pre>
 *
 * <p>No method waits, and all may be called from any thread. What they return completes on the executor for callbacks,
 * and fails with {@link NpcException}; so never {@code join} on the thread that this executor runs things on. When the
 * connection is lost, the client connects again and goes on; see {@link NpcListener}.
 */
public final class NpcClient implements AutoCloseable {
    private static final System.Logger LOGGER = System.getLogger(NpcClient.class.getName());
    private static final long IDLE_SECONDS = 5;

    private final Loop loop = new Loop();
    private final AtomicLong ids = new AtomicLong();
    private final Callbacks callbacks;
    private final Actions actions;
    private final Link link;

    NpcClient(Settings settings, Executor executor, NpcListener listener) {
        callbacks = new Callbacks(executor);
        HttpClient http = HttpClient.newBuilder()
                .executor(new ThreadPoolExecutor(
                        0,
                        Integer.MAX_VALUE,
                        IDLE_SECONDS,
                        TimeUnit.SECONDS,
                        new SynchronousQueue<>(),
                        new DaemonThreads("npc-engine-socket")))
                .proxy(HttpClient.Builder.NO_PROXY) // the server is on this machine or near it
                .build();
        Standing standing = new Standing();
        actions = new Actions(callbacks, standing::persona, this::report);
        link = new Link(loop, callbacks, settings, http, ids, standing, new Dispatch(callbacks, listener, actions));
    }

    /**
     * Begin to describe a client.
     *
     * @param url where the server listens, such as {@code ws://127.0.0.1:8765}
     * @return a builder; its {@code start} makes the client
     * @throws IllegalArgumentException if {@code url} is no address of that kind
     */
    public static NpcClientBuilder at(String url) {
        return new NpcClientBuilder(url);
    }

    void start() {
        loop.execute(link::start);
    }

    /**
     * The first connection. Requests need not wait for it: they do so by themselves.
     *
     * @return completes with the server's first welcome; fails if no server lets this client in
     */
    public CompletableFuture<Welcome> connected() {
        CompletableFuture<Welcome> result = new CompletableFuture<>();
        link.first().whenComplete((welcome, error) -> {
            if (error == null) {
                callbacks.complete(result, welcome);
            } else {
                callbacks.fail(result, Exchange.asNpcException(error));
            }
        });
        return result;
    }

    /**
     * Bring an NPC into the game, with what it remembers. Spawning twice is harmless.
     *
     * @param npc your id for it; the same id tomorrow is the same mind
     * @param persona the id of a persona that the server has loaded
     * @return completes once it can be spoken to
     */
    public CompletableFuture<Void> spawn(String npc, String persona) {
        return spawn(npc, persona, UnaryOperator.identity());
    }

    /**
     * Bring an NPC into the game, with what it remembers. Spawning twice is harmless.
     *
     * @param npc your id for it; the same id tomorrow is the same mind
     * @param persona the id of a persona that the server has loaded
     * @param options sets the other fields: {@code spawn -> spawn.withVars(Map.of("player", "Alex"))}
     * @return completes once it can be spoken to
     */
    public CompletableFuture<Void> spawn(String npc, String persona, UnaryOperator<NpcSpawn> options) {
        return done(options.apply(NpcSpawn.of(nextId(), npc, persona)));
    }

    /**
     * Park an NPC: it keeps everything, hears nothing, and can't be spoken to.
     *
     * @param npc the id of an NPC that was spawned
     * @return completes once it is parked
     */
    public CompletableFuture<Void> despawn(String npc) {
        return done(new NpcDespawn(nextId(), npc));
    }

    /**
     * Delete an NPC for good, with all that it remembers.
     *
     * @param npc the id of an NPC that was spawned once
     * @return completes once it is forgotten
     */
    public CompletableFuture<Void> forget(String npc) {
        return done(new NpcForget(nextId(), npc));
    }

    /**
     * Tell an NPC how things are now.
     *
     * @param npc the id of an NPC that was spawned
     * @param news sets what has changed: {@code update -> update.withState(Map.of("place", "the forge"))}
     * @return completes once the NPC knows
     */
    public CompletableFuture<Void> update(String npc, UnaryOperator<NpcUpdate> news) {
        return done(news.apply(NpcUpdate.of(nextId(), npc)));
    }

    /**
     * Ask which NPCs the server knows.
     *
     * @return all of them, spawned or parked
     */
    public CompletableFuture<List<NpcSummary>> list() {
        return ask(NpcList.of(nextId()), answer -> NpcListing.fromMap(answer).npcs());
    }

    /**
     * Ask what an NPC remembers, feels and costs.
     *
     * @param npc the id of an NPC that was spawned once
     * @return what there is to know
     */
    public CompletableFuture<NpcInfo> inspect(String npc) {
        return ask(new NpcInspect(nextId(), npc), NpcInfo::fromMap);
    }

    /**
     * Speak to an NPC.
     *
     * @param npc the id of an NPC that was spawned
     * @param speaker who speaks: {@code Speaker.of("player-id").withName("Alex")}
     * @param text what is said, not empty
     * @return the NPC's answer, as it comes
     */
    public Reply say(String npc, Speaker speaker, String text) {
        return say(npc, speaker, text, UnaryOperator.identity());
    }

    /**
     * Speak to an NPC.
     *
     * @param npc the id of an NPC that was spawned
     * @param speaker who speaks: {@code Speaker.of("player-id").withName("Alex")}
     * @param text what is said, not empty
     * @param options sets the other fields: {@code say -> say.withHearers(List.of("bram")).withDeadlineMs(5000L)}
     * @return the NPC's answer, as it comes
     */
    public Reply say(String npc, Speaker speaker, String text, UnaryOperator<Say> options) {
        Exchange exchange = open(options.apply(Say.of(nextId(), npc, speaker, text)));
        return new Reply(exchange, () -> loop.execute(() -> link.cancel(exchange)));
    }

    /**
     * Something happens in front of NPCs. They remember it, and say nothing.
     *
     * @param hearers the ids of the NPCs that notice it, at least one
     * @param text what happens: "The bell rings."
     * @return is done once it is remembered
     */
    public Reactions event(List<String> hearers, String text) {
        return event(hearers, text, UnaryOperator.identity());
    }

    /**
     * Something happens in front of NPCs.
     *
     * @param hearers the ids of the NPCs that notice it, at least one
     * @param text what happens: "The bell rings."
     * @param options sets the other fields: {@code event -> event.withSilent(false)} has them react
     * @return what they say to it
     */
    public Reactions event(List<String> hearers, String text, UnaryOperator<EventMessage> options) {
        Exchange exchange = open(options.apply(EventMessage.of(nextId(), hearers, text)));
        return new Reactions(exchange, () -> loop.execute(() -> link.cancel(exchange)));
    }

    /**
     * Ask an NPC for a decision. It leaves no trace unless {@code options} say {@code withRemember(true)}.
     *
     * @param npc the id of an NPC that was spawned
     * @param question what to decide
     * @param schema a JSON Schema that the answer fits, such as {@code Map.of("enum", List.of("fight", "flee"))}
     * @param options sets the other fields, or {@link UnaryOperator#identity}
     * @return the decision: a string, a {@code Long}, a {@code Double}, a truth value, a list, a map or null
     */
    public CompletableFuture<Object> decide(
            String npc, String question, Map<String, Object> schema, UnaryOperator<Decide> options) {
        return ask(
                options.apply(Decide.of(nextId(), npc, question, schema)), answer -> Decided.fromMap(answer).value());
    }

    /**
     * NPCs can do this from now on. An action of that name and scope is replaced.
     *
     * @param scope whose it is: {@code Scope.of().withPersona("greta")}, or {@code withNpc}, or {@code withAll(true)}
     * @param action its name, what it does, and the JSON Schema of its arguments
     * @param handler carries it out, on the executor for callbacks
     * @return completes once NPCs can do it
     */
    public CompletableFuture<Void> register(Scope scope, Action action, ActionHandler handler) {
        return registerAsync(scope, action, call -> CompletableFuture.completedFuture(handler.handle(call)));
    }

    /**
     * NPCs can do this from now on, and it takes a while. An action of that name and scope is replaced.
     *
     * @param scope whose it is: {@code Scope.of().withPersona("greta")}, or {@code withNpc}, or {@code withAll(true)}
     * @param action its name, what it does, and the JSON Schema of its arguments
     * @param handler begins it, on the executor for callbacks
     * @return completes once NPCs can do it
     */
    public CompletableFuture<Void> registerAsync(Scope scope, Action action, AsyncActionHandler handler) {
        actions.add(scope, action.name(), handler);
        return done(new ActionsRegister(nextId(), scope, List.of(action)));
    }

    /**
     * NPCs can't do this any more.
     *
     * @param scope whose it was, as it was registered
     * @param action its name
     * @return completes once no NPC can do it
     */
    public CompletableFuture<Void> unregister(Scope scope, String action) {
        CompletableFuture<Void> unregistered = done(new ActionsUnregister(nextId(), scope, List.of(action)));
        // Not before: until then an NPC may still take it.
        return unregistered.thenRun(() -> actions.remove(scope, action));
    }

    /**
     * NPCs are likely to be spoken to soon: their answers will begin sooner.
     *
     * @param npcs the ids of spawned NPCs, at least one
     * @param eta in how long; zero for any moment
     * @return completes once the server knows
     */
    public CompletableFuture<Void> hint(List<String> npcs, Duration eta) {
        return done(new Hint(nextId(), npcs, eta.toMillis()));
    }

    /**
     * Change how much attention state the server may keep, and how fast NPCs may speak, from now on and for everyone.
     *
     * @param change sets the budgets that change: {@code budget -> budget.withRamBytes(512L << 20)}
     * @return completes once it holds
     */
    public CompletableFuture<Void> budget(UnaryOperator<Budget> change) {
        return done(change.apply(Budget.of(nextId())));
    }

    /**
     * Ask what the server has to do and what it keeps, once.
     *
     * @return the figures
     */
    public CompletableFuture<Stats> stats() {
        return ask(new AskStats(nextId()), Stats::fromMap);
    }

    /**
     * Be told about topics from now on, and about no others.
     *
     * @param topics {@code "stats"} for {@link NpcListener#stats}, {@code "npc"} for {@link NpcListener#changed},
     *     {@code "log"} for {@link NpcListener#logged}; none for nothing
     * @return completes once it holds
     */
    public CompletableFuture<Void> subscribe(String... topics) {
        return done(new Subscribe(nextId(), List.of(topics)));
    }

    /**
     * Ask whether the server is there.
     *
     * @return how long it took to answer
     */
    public CompletableFuture<Duration> ping() {
        long start = System.nanoTime();
        return ask(Ping.of().withId(nextId()), answer -> Duration.ofNanos(System.nanoTime() - start));
    }

    /** Leave. What is still open fails with {@link NpcException#CLOSED}. Returns at once; harmless when repeated. */
    @Override
    public void close() {
        loop.execute(link::close);
    }

    /**
     * The end of the connection after {@link #close}, for those who want to wait for it.
     *
     * @return completes within about two seconds after closing, on a thread of the client's own
     */
    public CompletableFuture<Void> closed() {
        return link.closed().copy();
    }

    private Long nextId() {
        return ids.incrementAndGet();
    }

    private CompletableFuture<Void> done(ClientMessage request) {
        return ask(request, answer -> null);
    }

    private <T> CompletableFuture<T> ask(ClientMessage request, Function<Map<String, Object>, T> read) {
        return open(request).last(read);
    }

    private Exchange open(ClientMessage request) {
        Exchange exchange = new Exchange(loop, callbacks, request.toMap());
        loop.execute(() -> link.open(exchange));
        return exchange;
    }

    private void report(ReplyAction call, Outcome outcome) {
        ActionResult result = ActionResult.of(nextId(), call.call(), outcome.ok()).withMessage(outcome.message());
        done(result).exceptionally(error -> {
            boolean closed = error instanceof NpcException why && why.code().equals(NpcException.CLOSED);
            System.Logger.Level level = closed ? System.Logger.Level.DEBUG : System.Logger.Level.WARNING;
            LOGGER.log(level, "What came of " + call.name() + " can't be told: " + error);
            return null;
        });
    }
}
