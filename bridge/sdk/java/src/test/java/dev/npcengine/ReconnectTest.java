package dev.npcengine;

import static dev.npcengine.NpcClientTest.ALEX;
import static dev.npcengine.NpcClientTest.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.npcengine.protocol.ReplyDone;
import dev.npcengine.protocol.Stats;
import dev.npcengine.protocol.Welcome;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A client and a server that is not always there. */
@Timeout(90)
class ReconnectTest {
    private static final Backoff SOON = new Backoff(Duration.ofMillis(20), Duration.ofMillis(200));

    @TempDir
    Path folder;

    private final Watcher watcher = new Watcher();

    private NpcClientBuilder at(String url) {
        return NpcClient.at(url).name("java-tests").backoff(SOON).patience(Duration.ofSeconds(30)).listener(watcher);
    }

    private Served serve(int port, String data, String pace) throws Exception {
        return new Served(folder.resolve(data), port, "--mock-pace", pace);
    }

    @Test
    void aReplyGoesOnWhereItWasCutOff() throws Exception {
        try (Served server = serve(0, "data", "0.05");
                Faults network = new Faults(server.port);
                NpcClient client = at(network.url()).start()) {
            client.spawn("greta", "greta");
            assertFalse(watcher.connected().resumed());
            List<String> pieces = new ArrayList<>();
            CompletableFuture<String> first = new CompletableFuture<>();
            Reply reply = client.say("greta", ALEX, "Tell me all about it.").onPiece(pieces::add).onPiece(first::complete);
            first.join();
            network.cut();
            assertEquals(NpcException.CONNECTION_LOST, watcher.lost().code());
            assertTrue(watcher.connected().resumed());
            ReplyDone done = reply.done().join();
            assertEquals("stop", done.finish());
            assertEquals(done.text(), String.join("", pieces));
            assertEquals(2, network.connections());
        }
    }

    @Test
    void aLineThatWasLostOnTheWayIsSaidOnce() throws Exception {
        try (Served server = serve(0, "data", "0");
                Faults network = new Faults(server.port);
                NpcClient client = at(network.url()).start()) {
            client.spawn("greta", "greta").join();
            network.swallow();
            CompletableFuture<ReplyDone> lost = client.say("greta", ALEX, "Can you hear me?").done();
            Thread.sleep(200);
            assertFalse(lost.isDone());
            network.cut();
            assertEquals("stop", lost.join().finish());
            assertEquals(2, client.inspect("greta").join().journal().size());
        }
    }

    @Test
    void everythingArrivesOnceHoweverOftenTheNetworkFails() throws Exception {
        try (Served server = serve(0, "data", "0.02");
                Faults network = new Faults(server.port);
                NpcClient client = at(network.url()).start()) {
            int many = 20;
            List<List<String>> heard = new ArrayList<>();
            List<CompletableFuture<ReplyDone>> replies = IntStream.range(0, many).mapToObj(index -> {
                List<String> pieces = new ArrayList<>();
                heard.add(pieces);
                client.spawn("npc-" + index, "greta");
                return client.say("npc-" + index, ALEX, "Tell me all about it.").onPiece(pieces::add).done();
            }).toList();
            for (int cut = 0; cut < 6; cut++) {
                watcher.connected();
                Thread.sleep(60);
                network.cut();
            }
            for (int index = 0; index < many; index++) {
                assertEquals(replies.get(index).join().text(), String.join("", heard.get(index)));
                assertEquals(2, client.inspect("npc-" + index).join().journal().size());
            }
        }
    }

    @Test
    void aNewServerIsToldWhatStands() throws Exception {
        try (Served first = serve(0, "data", "0.2"); NpcClient client = at(first.url()).start()) {
            client.spawn("greta", "greta");
            client.spawn("parked", "maud");
            client.despawn("parked").join();
            client.subscribe("stats").join();
            CompletableFuture<String> piece = new CompletableFuture<>();
            Reply open = client.say("greta", ALEX, "Tell me all about it.").onPiece(piece::complete);
            piece.join();
            watcher.connected();
            first.kill();
            watcher.lost();
            CompletableFuture<ReplyDone> meanwhile = client.say("greta", ALEX, "Are you there?").done();
            watcher.stats.clear();

            // It knows nothing: another folder, and so another world.
            try (Served second = serve(first.port, "other", "0")) {
                assertEquals(first.port, second.port);
                assertFalse(watcher.connected().resumed());
                assertEquals(NpcException.CONNECTION_LOST, failure(open.done()).code());
                assertEquals("stop", meanwhile.join().finish());
                assertEquals(1, client.list().join().size());
                assertTrue(watcher.stats.poll(10, TimeUnit.SECONDS).sessions() >= 1);
            }
        }
    }

    @Test
    void aServerThatIsStoppedAndStartedRemembers() throws Exception {
        try (Served first = serve(0, "data", "0"); NpcClient client = at(first.url()).start()) {
            client.spawn("greta", "greta");
            client.say("greta", ALEX, "Remember me.").done().join();
            watcher.connected();
            first.stop();
            watcher.lost();
            try (Served second = serve(first.port, "data", "0")) {
                assertEquals(first.port, second.port);
                watcher.connected();
                client.say("greta", ALEX, "Do you?").done().join();
                assertEquals(4, client.inspect("greta").join().journal().size());
            }
        }
    }

    @Test
    void requestsWaitForTheServerButNotForEver() throws Exception {
        try (Served first = serve(0, "data", "0");
                NpcClient client = at(first.url()).patience(Duration.ofMillis(500)).start()) {
            client.spawn("greta", "greta").join();
            watcher.connected();
            first.kill();
            watcher.lost();
            assertEquals(NpcException.CONNECTION_LOST, failure(client.say("greta", ALEX, "Hello?").done()).code());
            long start = System.nanoTime();
            assertEquals(NpcException.CONNECTION_LOST, failure(client.ping()).code());
            assertTrue(System.nanoTime() - start < TimeUnit.MILLISECONDS.toNanos(400), "it waited again");
            try (Served second = serve(first.port, "data", "0")) {
                assertEquals(first.port, second.port);
                watcher.connected();
                assertEquals("stop", client.say("greta", ALEX, "Hello!").done().join().finish());
            }
        }
    }

    @Test
    void cancellingDuringAnOutageHolds() throws Exception {
        try (Served server = serve(0, "data", "0.2");
                Faults network = new Faults(server.port);
                NpcClient client = at(network.url()).start()) {
            client.spawn("greta", "greta").join();
            watcher.connected();
            CompletableFuture<String> piece = new CompletableFuture<>();
            Reply running = client.say("greta", ALEX, "Tell me all about it.").onPiece(piece::complete);
            piece.join();
            network.refuse(true);
            network.cut();
            watcher.lost();
            Reply unsent = client.say("greta", ALEX, "Never mind.");
            unsent.cancel();
            assertEquals("cancelled", unsent.done().join().finish());
            running.cancel();
            network.refuse(false);
            assertTrue(watcher.connected().resumed());
            assertEquals("cancelled", running.done().join().finish());
            assertEquals(2, client.inspect("greta").join().journal().size());
        }
    }

    @Test
    void aServerMayBeStartedAfterTheGame() throws Exception {
        int port;
        try (Served once = serve(0, "data", "0")) {
            port = once.port;
        }
        try (NpcClient client = at("ws://127.0.0.1:" + port).waitForServer().start()) {
            CompletableFuture<Void> spawned = client.spawn("greta", "greta");
            Thread.sleep(300);
            assertFalse(spawned.isDone());
            try (Served server = serve(port, "data", "0")) {
                assertEquals(port, server.port);
                spawned.join();
                assertEquals("stop", client.say("greta", ALEX, "Good morning!").done().join().finish());
            }
        }
    }

    /** Keeps what a client's listener is told. */
    private static final class Watcher implements NpcListener {
        final BlockingQueue<Stats> stats = new LinkedBlockingQueue<>();
        private final BlockingQueue<Welcome> welcomes = new LinkedBlockingQueue<>();
        private final BlockingQueue<NpcException> losses = new LinkedBlockingQueue<>();

        Welcome connected() throws InterruptedException {
            return taken(welcomes);
        }

        NpcException lost() throws InterruptedException {
            return taken(losses);
        }

        @Override
        public void connected(Welcome welcome) {
            welcomes.add(welcome);
        }

        @Override
        public void disconnected(NpcException why) {
            losses.add(why);
        }

        @Override
        public void stats(Stats figures) {
            stats.add(figures);
        }

        private static <T> T taken(BlockingQueue<T> queue) throws InterruptedException {
            T item = queue.poll(30, TimeUnit.SECONDS);
            assertTrue(item != null, "it never came");
            return item;
        }
    }
}
