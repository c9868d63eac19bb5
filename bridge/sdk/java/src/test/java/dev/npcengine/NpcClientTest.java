package dev.npcengine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.npcengine.protocol.LogLine;
import dev.npcengine.protocol.NpcChanged;
import dev.npcengine.protocol.NpcInfo;
import dev.npcengine.protocol.NpcSummary;
import dev.npcengine.protocol.ReplyDelta;
import dev.npcengine.protocol.ReplyDone;
import dev.npcengine.protocol.ReplySentence;
import dev.npcengine.protocol.ServerMessage;
import dev.npcengine.protocol.Speaker;
import dev.npcengine.protocol.Stats;
import dev.npcengine.protocol.Welcome;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A client and a server that is there. */
@Timeout(60)
class NpcClientTest {
    static final Speaker ALEX = Speaker.of("alex").withName("Alex");

    @TempDir
    static Path folder;

    private static Served server;

    @BeforeAll
    static void serve() throws Exception {
        server = new Served(folder.resolve("data"), 0, "--mock-pace", "0.005");
    }

    @AfterAll
    static void end() {
        server.close();
    }

    static NpcException failure(CompletableFuture<?> future) {
        CompletionException error = assertThrows(CompletionException.class, future::join);
        return (NpcException) error.getCause();
    }

    private static NpcClient connect() {
        return NpcClient.at(server.url()).name("java-tests").start();
    }

    @Test
    void connectingTellsWhatTheServerTakes() {
        try (NpcClient client = connect()) {
            Welcome welcome = client.connected().join();
            assertEquals(1, welcome.protocol());
            assertTrue(welcome.capabilities().containsAll(List.of("say", "npc.spawn", "event")));
            assertFalse(welcome.resumed());
        }
    }

    @Test
    void aLineIsAnsweredPieceByPieceAndSentenceBySentence() {
        try (NpcClient client = connect()) {
            client.spawn("streamed", "greta");
            List<String> pieces = new ArrayList<>();
            List<String> sentences = new ArrayList<>();
            Reply reply = client.say("streamed", ALEX, "Good morning!").onPiece(pieces::add).onSentence(sentences::add);
            ReplyDone done = reply.done().join();
            assertEquals("stop", done.finish());
            assertFalse(done.text().isBlank());
            assertEquals(done.text(), String.join("", pieces));
            assertEquals(done.text(), String.join(" ", sentences));
            assertTrue(pieces.size() > 1, "one piece is no stream");
            assertTrue(done.usage().completionTokens() > 0);

            List<String> late = new ArrayList<>();
            reply.onPiece(late::add).done().join();
            assertEquals(pieces, late, "a listener that comes late hears all of it");
        }
    }

    @Test
    void oneMindRemembersAndOthersDoNot() {
        try (NpcClient client = connect()) {
            client.spawn("remembers", "greta");
            client.spawn("overhears", "maud");
            client.spawn("elsewhere", "silas");
            client.say("remembers", ALEX, "The bell is gone.", say -> say.withHearers(List.of("overhears"))).done().join();
            NpcInfo info = client.inspect("remembers").join();
            assertEquals("The bell is gone.", info.journal().get(0).text());
            assertEquals("Alex", info.journal().get(0).speaker());
            assertEquals(2, client.inspect("overhears").join().journal().size());
            assertTrue(client.inspect("elsewhere").join().journal().isEmpty());
        }
    }

    @Test
    void eventsAreRememberedAndReactedTo() {
        try (NpcClient client = connect()) {
            client.spawn("first-hearer", "greta");
            client.spawn("second-hearer", "maud");
            List<String> hearers = List.of("first-hearer", "second-hearer");
            assertEquals(List.of(), client.event(hearers, "The bell rings.").done().join());

            List<ReplySentence> sentences = new ArrayList<>();
            Reactions reactions = client.event(hearers, "The bell falls.", event -> event.withSilent(false))
                    .onSentence(sentences::add);
            List<ReplyDone> done = reactions.done().join();
            assertEquals(hearers, done.stream().map(ReplyDone::npc).toList());
            assertEquals(hearers, sentences.stream().map(ReplySentence::npc).distinct().toList());

            Gatherer<ServerMessage> all = new Gatherer<>(Long.MAX_VALUE);
            reactions.messages().subscribe(all);
            all.ended.join();
            assertEquals(2, all.items.stream().filter(ReplyDone.class::isInstance).count());
            assertTrue(all.items.stream().anyMatch(ReplyDelta.class::isInstance));
        }
    }

    @Test
    void manyNpcsSpeakAtOnceAndMoreRequestsWaitThanTheServerTakes() {
        try (NpcClient client = connect()) {
            int many = 200; // above open_requests
            List<CompletableFuture<ReplyDone>> replies = IntStream.range(0, many).mapToObj(index -> {
                client.spawn("crowd-" + index, "bram", spawn -> spawn.withWorld("oakvale"));
                return client.say("crowd-" + index, ALEX, "Hello!").done();
            }).toList();
            for (int index = 0; index < many; index++) {
                assertEquals("crowd-" + index, replies.get(index).join().npc());
            }
            List<NpcSummary> listing = client.list().join();
            assertTrue(listing.stream().filter(npc -> npc.npc().startsWith("crowd-")).count() == many);
        }
    }

    @Test
    void errorsNameTheCodeAndThePlace() {
        try (NpcClient client = connect()) {
            assertEquals("unknown_persona", failure(client.spawn("x", "nobody")).code());
            NpcException unknown = failure(client.say("never-spawned", ALEX, "Hello?").done());
            assertEquals("unknown_npc", unknown.code());
            assertEquals("npc", unknown.path());
            NpcException blank = failure(client.say("never-spawned", ALEX, " ").done());
            assertEquals("bad_message", blank.code());
            assertEquals("text", blank.path());
            assertEquals("limit_size", failure(client.say("x", ALEX, "x".repeat(300_000)).done()).code());
            NpcException unwritable = failure(client.decide("x", "?", Map.of("enum", new Object()), decide -> decide));
            assertEquals("schema.enum", unwritable.path());
            client.ping().join(); // and all of that did no harm
        }
    }

    @Test
    void aLineThatIsTooLongSaysWhenToTryAgainOrWhatFits() {
        try (NpcClient client = connect()) {
            client.spawn("listener", "greta");
            NpcException error = failure(client.say("listener", ALEX, "word ".repeat(3000)).done());
            assertEquals("limit_size", error.code());
            assertTrue(error.retryAfterMs().isEmpty());
            assertTrue(error.toString().startsWith("limit_size: "));
        }
    }

    @Test
    void aReplyThatIsCancelledEndsEarlyWithWhatWasSaid() throws Exception {
        try (Served slow = new Served(folder.resolve("slow"), 0, "--mock-pace", "0.2");
                NpcClient client = NpcClient.at(slow.url()).start()) {
            client.spawn("interrupted", "greta");
            Reply reply = client.say("interrupted", ALEX, "Tell me all about it.");
            CompletableFuture<String> first = new CompletableFuture<>();
            reply.onPiece(first::complete);
            first.join();
            reply.cancel();
            ReplyDone done = reply.done().join();
            assertEquals("cancelled", done.finish());
            assertTrue(done.text().startsWith(first.join()));

            Reactions reactions =
                    client.event(List.of("interrupted"), "It thunders.", event -> event.withSilent(false));
            reactions.cancel();
            assertEquals("cancelled", failure(reactions.done()).code());
        }
    }

    @Test
    void parkedOnesHearNothing() {
        try (NpcClient client = connect()) {
            client.spawn("parked", "greta").join();
            client.despawn("parked").join();
            assertEquals("unknown_npc", failure(client.say("parked", ALEX, "Hello?").done()).code());
            client.spawn("parked", "greta");
            assertEquals("stop", client.say("parked", ALEX, "Hello?").done().join().finish());
        }
    }

    @Test
    void statsComeOnceOrEverySecond() throws InterruptedException {
        LinkedBlockingQueue<Stats> told = new LinkedBlockingQueue<>();
        NpcListener listener = new NpcListener() {
            @Override
            public void stats(Stats stats) {
                told.add(stats);
            }
        };
        try (NpcClient client = NpcClient.at(server.url()).listener(listener).start()) {
            assertTrue(client.stats().join().sessions() >= 1);
            assertTrue(told.isEmpty());
            client.subscribe("stats").join();
            assertTrue(told.poll(10, TimeUnit.SECONDS).sessions() >= 1);
            client.subscribe().join();
            client.hint(List.of("nobody"), Duration.ofSeconds(1)).exceptionally(error -> null).join();
            client.budget(budget -> budget.withRamBytes(1L << 28)).join();
            assertTrue(client.ping().join().toMillis() < 10_000);
        }
    }

    @Test
    void whatBecomesOfNpcsIsToldWhoeverCausedIt() throws InterruptedException {
        LinkedBlockingQueue<NpcChanged> told = new LinkedBlockingQueue<>();
        NpcListener listener = new NpcListener() {
            @Override
            public void changed(NpcChanged changed) {
                told.add(changed);
            }
        };
        try (NpcClient watching = NpcClient.at(server.url()).listener(listener).start(); NpcClient client = connect()) {
            watching.subscribe("npc").join();
            client.spawn("watched", "greta").join();
            client.despawn("watched").join();
            client.forget("watched").join();
            for (String what : List.of("spawned", "despawned", "forgotten")) {
                NpcChanged changed = told.poll(10, TimeUnit.SECONDS);
                assertEquals(List.of("watched", what, "greta"),
                        List.of(changed.npc(), changed.what(), changed.persona()));
                assertEquals(what.equals("spawned"), changed.active());
            }
            watching.subscribe().join();
            client.spawn("unwatched", "greta").join();
            watching.ping().join();
            assertTrue(told.isEmpty());
        }
    }

    @Test
    void whatGoesWrongInTheServerIsTold() throws InterruptedException {
        LinkedBlockingQueue<LogLine> told = new LinkedBlockingQueue<>();
        NpcListener listener = new NpcListener() {
            @Override
            public void logged(LogLine line) {
                told.add(line);
            }
        };
        try (NpcClient client = NpcClient.at(server.url()).listener(listener).start()) {
            client.subscribe("log").join();
            HttpClient.newHttpClient().newWebSocketBuilder()
                    .header("Origin", "https://elsewhere.example")
                    .buildAsync(URI.create(server.url()), new WebSocket.Listener() {})
                    .exceptionally(refused -> null)
                    .join();
            LogLine line = told.poll(10, TimeUnit.SECONDS);
            assertEquals(List.of("warning", "bridge.server"), List.of(line.level(), line.logger()));
            assertTrue(line.text().startsWith("refused a web page from origin"), line.text());
        }
    }

    @Test
    void callbacksAndContinuationsRunWhereTheGameSays() throws Exception {
        ExecutorService game = Executors.newSingleThreadExecutor(task -> new Thread(task, "the game's own"));
        try (NpcClient client = NpcClient.at(server.url()).callbacks(game).start()) {
            client.spawn("on-main", "greta");
            List<String> threads = new ArrayList<>();
            Reply reply = client.say("on-main", ALEX, "Hello!")
                    .onPiece(piece -> threads.add(Thread.currentThread().getName()));
            reply.done().thenRun(() -> threads.add(Thread.currentThread().getName())).get(30, TimeUnit.SECONDS);
            assertTrue(threads.size() > 2);
            assertEquals(List.of("the game's own"), threads.stream().distinct().toList());
        } finally {
            game.shutdown();
        }
    }

    @Test
    void aSlowListenerHoldsUpNobodyAndMissesNothing() throws Exception {
        CountDownLatch goOn = new CountDownLatch(1);
        ExecutorService stuck = Executors.newSingleThreadExecutor();
        stuck.execute(() -> {
            try {
                goOn.await();
            } catch (InterruptedException error) {
                throw new AssertionError(error);
            }
        });
        try (NpcClient slow = NpcClient.at(server.url()).callbacks(stuck).start(); NpcClient quick = connect()) {
            List<String> pieces = new ArrayList<>();
            slow.spawn("patient", "greta");
            List<CompletableFuture<ReplyDone>> replies = IntStream.range(0, 20)
                    .mapToObj(index -> slow.say("patient", ALEX, "Line " + index).onPiece(pieces::add).done())
                    .toList();
            quick.spawn("impatient", "maud");
            quick.say("impatient", ALEX, "Hello!").done().join();
            // All of the slow one's lines are answered while its game stands still.
            while (quick.inspect("patient").join().journal().size() < 40) {
                Thread.sleep(20);
            }
            assertTrue(pieces.isEmpty());
            goOn.countDown();
            StringBuilder all = new StringBuilder();
            for (CompletableFuture<ReplyDone> reply : replies) {
                all.append(reply.get(30, TimeUnit.SECONDS).text());
            }
            assertEquals(all.toString(), String.join("", pieces));
        } finally {
            stuck.shutdown();
        }
    }

    @Test
    void aSubscriberGetsAsMuchAsItAsksFor() throws Exception {
        try (NpcClient client = connect()) {
            client.spawn("measured", "greta");
            Reply reply = client.say("measured", ALEX, "Good morning!");
            Gatherer<String> gatherer = new Gatherer<>(1);
            reply.pieces().subscribe(gatherer);
            String text = reply.done().join().text();
            assertEquals(1, gatherer.items.size());
            gatherer.subscription.request(2);
            client.ping().join(); // is answered after what was asked for before
            assertEquals(3, gatherer.items.size());
            gatherer.subscription.request(Long.MAX_VALUE);
            gatherer.ended.get(10, TimeUnit.SECONDS);
            assertEquals(text, String.join("", gatherer.items));

            Gatherer<String> wrong = new Gatherer<>(0);
            reply.pieces().subscribe(wrong);
            assertThrows(Exception.class, () -> wrong.ended.get(10, TimeUnit.SECONDS));

            Gatherer<String> failed = new Gatherer<>(1);
            client.say("never-spawned", ALEX, "Hello?").sentences().subscribe(failed);
            assertThrows(Exception.class, () -> failed.ended.get(10, TimeUnit.SECONDS));
        }
    }

    @Test
    void messagesInPartsAreWholeAgain() throws Exception {
        try (Faults network = new Faults(server.port)) {
            network.chop(7);
            try (NpcClient client = NpcClient.at(network.url()).start()) {
                client.spawn("chopped", "greta");
                for (int line = 0; line < 30; line++) {
                    client.event(List.of("chopped"), "Wind " + line + " " + "whistles ".repeat(40)).done().join();
                }
                NpcInfo info = client.inspect("chopped").join(); // some 10 kB in one message
                assertEquals(30, info.journal().size());
                assertEquals("Wind 0 " + "whistles ".repeat(40).strip(), info.journal().get(0).text().strip());
            }
        }
    }

    @Test
    void closingFailsWhatIsOpenAndLeavesNoThread() throws Exception {
        NpcClient client = connect();
        client.spawn("left", "greta").join();
        CompletableFuture<ReplyDone> open = client.say("left", ALEX, "Wait for me!").done();
        client.close();
        client.close();
        assertEquals(NpcException.CLOSED, failure(open).code());
        client.closed().get(5, TimeUnit.SECONDS);
        assertEquals(NpcException.CLOSED, failure(client.ping()).code());
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            assertTrue(!thread.getName().startsWith("npc-engine") || thread.isDaemon(), thread.getName());
        }
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (Thread.getAllStackTraces().keySet().stream().anyMatch(t -> t.getName().startsWith("npc-engine"))) {
            assertTrue(System.nanoTime() < deadline, "threads are left");
            Thread.sleep(100);
        }
    }

    @Test
    void nobodyThereIsSaidSoAndAWrongTokenToo() throws Exception {
        try (NpcClient client = NpcClient.at("ws://127.0.0.1:1").start()) {
            NpcException error = failure(client.connected());
            assertEquals(NpcException.UNREACHABLE, error.code());
            assertTrue(error.getMessage().contains("npc-engine serve"));
            assertEquals(NpcException.UNREACHABLE, failure(client.ping()).code());
            client.closed().get(1, TimeUnit.SECONDS);
        }
        try (Served guarded = new Served(folder.resolve("guarded"), 0, "--token", "open sesame")) {
            try (NpcClient client = NpcClient.at(guarded.url()).token("please").start()) {
                assertEquals("unauthorized", failure(client.connected()).code());
                assertEquals("unauthorized", failure(client.ping()).code());
            }
            try (NpcClient client = NpcClient.at(guarded.url()).token("open sesame").start()) {
                assertNotEquals("", client.connected().join().session());
            }
        }
        assertThrows(IllegalArgumentException.class, () -> NpcClient.at("http://127.0.0.1:8765"));
        assertThrows(IllegalArgumentException.class, () -> NpcClient.at("villagers, please"));
    }

    /** Asks for so much at first, and keeps what comes. */
    private static final class Gatherer<T> implements Flow.Subscriber<T> {
        final List<T> items = new ArrayList<>();
        final CompletableFuture<Void> ended = new CompletableFuture<>();
        private final long first;
        volatile Flow.Subscription subscription;

        Gatherer(long first) {
            this.first = first;
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            subscription.request(first);
        }

        @Override
        public void onNext(T item) {
            items.add(item);
        }

        @Override
        public void onError(Throwable error) {
            ended.completeExceptionally(error);
        }

        @Override
        public void onComplete() {
            ended.complete(null);
        }
    }
}
