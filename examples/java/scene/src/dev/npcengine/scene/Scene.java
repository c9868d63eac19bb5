package dev.npcengine.scene;

import dev.npcengine.NpcClient;
import dev.npcengine.example.VillageMinds;
import io.papermc.paper.event.player.AsyncChatEvent;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import net.kyori.adventure.text.Component;
import org.bukkit.configuration.file.FileConfiguration;
import org.bukkit.event.player.PlayerInteractEntityEvent;
import org.bukkit.event.player.PlayerQuitEvent;
import org.bukkit.inventory.EquipmentSlot;

/** A short scene: Alex greets Greta, Maud stands by, Silas is out of hearing. Ends with 1 if it goes wrong. */
public final class Scene {
    private static final long PATIENCE_NANOS = 60_000_000_000L;
    private static final int MOST_TURNS = 40;

    private Scene() {}

    /**
     * Play it.
     *
     * @param arguments where the engine listens
     */
    public static void main(String[] arguments) throws InterruptedException {
        String engine = arguments[0];
        try (StubServer server = new StubServer(); NpcClient onlooker = NpcClient.at(engine).name("onlooker").start()) {
            StubEntity greta = new StubEntity.OfVillager(server, "Greta", 0);
            StubEntity maud = new StubEntity.OfVillager(server, "Maud", 3);
            StubEntity silas = new StubEntity.OfVillager(server, "Silas", 40);
            StubPlayer alex = new StubPlayer(server, "Alex", 1);
            VillageMinds plugin = new VillageMinds();
            plugin.stubLoad(server, new FileConfiguration(Map.of(
                    "engine", engine,
                    "personas.Greta", "greta", "personas.Maud", "maud", "personas.Silas", "silas")));
            server.onMain(plugin::onEnable);

            System.out.println("* Alex clicks on Greta.");
            server.onMain(() -> {
                for (EquipmentSlot hand : EquipmentSlot.values()) {
                    server.call(new PlayerInteractEntityEvent(alex, greta, hand));
                }
            });
            until("Greta answers", () -> answers(onlooker, greta, 1).equals(heard(alex)));

            chat(server, alex, "Can you mend a sword?");
            until("Greta answers again", () -> answers(onlooker, greta, 2).equals(heard(alex)));

            // Without a model, villagers act now and then. With one they act when they see a reason.
            boolean acts = onlooker.connected().join().model().equals("mock");
            int turns = 2;
            while (acts && alex.items.isEmpty()) {
                int next = ++turns;
                check("Greta gives something some time", turns < MOST_TURNS);
                chat(server, alex, "May I have some bread?");
                until("Greta answers that", () -> answers(onlooker, greta, next).equals(heard(alex)));
            }
            alex.items.forEach(item -> System.out.println("* Greta gives Alex something: " + item.getType() + "."));

            System.out.println("* Alex walks away, and talks to himself.");
            server.onMain(() -> alex.walkTo(40));
            chat(server, alex, "What a day.");
            server.onMain(() -> server.call(new PlayerQuitEvent(alex)));

            check("only Greta spoke to Alex", alex.heard.stream().allMatch(line -> line.startsWith("<Greta> ")));
            check("Maud overheard it", answers(onlooker, maud, turns).equals(heard(alex)));
            check("nobody hears who is far away", lines(onlooker, maud, "Alex").size() == turns);
            check("Silas is no part of it", onlooker.list().join().stream()
                    .noneMatch(npc -> npc.npc().equals(silas.getUniqueId().toString())));
            server.onMain(plugin::onDisable);
            System.out.println("* The scene is over.");
        }
    }

    /** What Greta has said in so many turns, as the villager remembers it; empty if there were not so many. */
    private static String answers(NpcClient onlooker, StubEntity villager, int turns) {
        List<String> lines = lines(onlooker, villager, "Greta");
        return lines.size() == turns ? String.join(" ", lines) : "";
    }

    /** What the player has heard, sentence by sentence; something else than nothing if that is nothing. */
    private static String heard(StubPlayer player) {
        return player.heard.isEmpty()
                ? "nothing"
                : player.heard.stream().map(line -> line.replace("<Greta> ", "")).collect(Collectors.joining(" "));
    }

    private static List<String> lines(NpcClient onlooker, StubEntity villager, String speaker) {
        return onlooker.inspect(villager.getUniqueId().toString())
                .thenApply(info -> info.journal().stream()
                        .filter(entry -> entry.speaker().startsWith(speaker))
                        .map(entry -> entry.text())
                        .toList())
                .exceptionally(unknownYet -> List.of())
                .join();
    }

    /** Chat comes on a thread that is not the game's. */
    private static void chat(StubServer server, StubPlayer player, String text) {
        System.out.println("<" + player.getName() + "> " + text);
        server.call(new AsyncChatEvent(player, Component.text(text)));
    }

    private static void until(String what, BooleanSupplier holds) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (!holds.getAsBoolean()) {
            check(what, System.nanoTime() < deadline);
            Thread.sleep(20);
        }
    }

    private static void check(String what, boolean holds) {
        if (!holds) {
            System.out.println("This is not so: " + what + ".");
            System.exit(1);
        }
    }
}
