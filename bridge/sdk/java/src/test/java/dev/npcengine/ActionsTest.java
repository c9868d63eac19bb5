package dev.npcengine;

import static dev.npcengine.NpcClientTest.ALEX;
import static dev.npcengine.NpcClientTest.failure;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.npcengine.protocol.Action;
import dev.npcengine.protocol.NpcInfo;
import dev.npcengine.protocol.ReplyAction;
import dev.npcengine.protocol.Scope;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What NPCs do, and who does it for them. The mock acts now and then, as its seed says. */
@Timeout(90)
class ActionsTest {
    private static final int MOST_LINES = 60;
    private static final Scope ALL = Scope.of().withAll(true);
    private static final Action GIVE = Action.of("give_item", "Give something to the one who speaks to you.")
            .withSchema(Map.of(
                    "type", "object",
                    "properties", Map.of("item", Map.of("enum", List.of("bread", "nails"))),
                    "required", List.of("item")));

    @TempDir
    static Path folder;

    private static Served server;

    @BeforeAll
    static void serve() throws Exception {
        server = new Served(folder.resolve("data"), 0);
    }

    @AfterAll
    static void end() {
        server.close();
    }

    /** Speak to {@code npc} until it has acted. */
    private static ReplyAction provoke(NpcClient client, String npc, BlockingQueue<ReplyAction> calls)
            throws InterruptedException {
        for (int line = 0; line < MOST_LINES; line++) {
            client.say(npc, ALEX, "Give me some bread, please. " + line).done().join();
            ReplyAction call = calls.poll(); // it comes before the end of the reply
            if (call != null) {
                return call;
            }
        }
        throw new AssertionError("It never acts.");
    }

    /** What the NPC remembers, once it remembers {@code words}. */
    private static void remembers(NpcClient client, String npc, String words) throws InterruptedException {
        for (int attempt = 0; attempt < 100; attempt++) {
            NpcInfo info = client.inspect(npc).join();
            if (info.journal().stream().anyMatch(entry -> entry.text().contains(words))) {
                return;
            }
            Thread.sleep(50);
        }
        throw new AssertionError("\"" + words + "\" is not remembered: " + client.inspect(npc).join().journal());
    }

    @Test
    void anActionIsCarriedOutAndItsOutcomeRemembered() throws Exception {
        BlockingQueue<ReplyAction> calls = new LinkedBlockingQueue<>();
        try (NpcClient client = NpcClient.at(server.url()).start()) {
            client.spawn("giver", "greta");
            client.register(ALL, GIVE, call -> {
                calls.add(call);
                return Outcome.done("Alex smells fresh bread.");
            }).join();
            ReplyAction call = provoke(client, "giver", calls);
            assertEquals("giver", call.npc());
            assertTrue(List.of("bread", "nails").contains(call.args().get("item")), call.toString());
            remembers(client, "giver", "Alex smells fresh bread.");
        }
    }

    @Test
    void theNearestScopeHasItsHandler() throws Exception {
        BlockingQueue<ReplyAction> own = new LinkedBlockingQueue<>();
        BlockingQueue<ReplyAction> kind = new LinkedBlockingQueue<>();
        BlockingQueue<ReplyAction> all = new LinkedBlockingQueue<>();
        try (NpcClient client = NpcClient.at(server.url()).start()) {
            client.spawn("one", "greta");
            client.spawn("another", "greta");
            client.spawn("stranger", "maud");
            client.register(Scope.of().withNpc("one"), GIVE, collector(own));
            client.register(Scope.of().withPersona("greta"), GIVE, collector(kind));
            client.register(ALL, GIVE, collector(all)).join();
            assertEquals("one", provoke(client, "one", own).npc());
            assertEquals("another", provoke(client, "another", kind).npc());
            assertEquals("stranger", provoke(client, "stranger", all).npc());
        }
    }

    private static ActionHandler collector(BlockingQueue<ReplyAction> calls) {
        return call -> {
            calls.add(call);
            return Outcome.done();
        };
    }

    @Test
    void whatTakesAWhileOrFailsIsToldTheNpcToo() throws Exception {
        BlockingQueue<ReplyAction> calls = new LinkedBlockingQueue<>();
        try (NpcClient client = NpcClient.at(server.url()).start()) {
            client.spawn("walker", "greta");
            client.registerAsync(ALL, GIVE, call -> {
                calls.add(call);
                return CompletableFuture.supplyAsync(
                        () -> Outcome.failed("The road is under water."),
                        CompletableFuture.delayedExecutor(50, TimeUnit.MILLISECONDS));
            }).join();
            provoke(client, "walker", calls);
            remembers(client, "walker", "The road is under water.");
            client.register(ALL, GIVE, call -> {
                calls.add(call);
                throw new IllegalStateException("Her hands are full.");
            }).join();
            provoke(client, "walker", calls);
            remembers(client, "walker", "Her hands are full.");
            client.unregister(ALL, "give_item").join();
            assertEquals("unknown_action", failure(client.unregister(ALL, "give_item")).code());
        }
    }

    @Test
    void aSchemaThatCannotBeKeptToIsRefused() {
        try (NpcClient client = NpcClient.at(server.url()).start()) {
            Action odd = Action.of("odd", "Do something odd.")
                    .withSchema(Map.of("type", "object", "not", Map.of("type", "object")));
            NpcException error = failure(client.register(ALL, odd, call -> Outcome.done()));
            assertEquals("schema_unsupported", error.code());
            assertTrue(error.path().startsWith("actions[0]"), error.path());
        }
    }

    @Test
    void aDecisionIsAsItsSchemaSays() {
        try (NpcClient client = NpcClient.at(server.url()).start()) {
            client.spawn("decider", "greta");
            Map<String, Object> schema = Map.of("enum", List.of("fight", "flee"));
            Object decision = client.decide("decider", "A wolf stands in the door.", schema, decide -> decide).join();
            assertTrue(List.of("fight", "flee").contains(decision), String.valueOf(decision));
        }
    }

    @Test
    void aNewServerIsToldOfActionsAgain() throws Exception {
        BlockingQueue<ReplyAction> calls = new LinkedBlockingQueue<>();
        try (Served first = new Served(folder.resolve("first"), 0);
                NpcClient client = NpcClient.at(first.url())
                        .backoff(new Backoff(Duration.ofMillis(20), Duration.ofMillis(200)))
                        .patience(Duration.ofSeconds(30))
                        .start()) {
            client.spawn("giver", "greta");
            client.register(ALL, GIVE, collector(calls)).join();
            first.kill();
            try (Served second = new Served(folder.resolve("second"), first.port)) {
                assertEquals(first.port, second.port);
                client.ping().join();
                assertEquals("giver", provoke(client, "giver", calls).npc());
            }
        }
    }
}
