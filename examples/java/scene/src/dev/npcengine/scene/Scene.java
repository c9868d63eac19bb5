package dev.npcengine.scene;

import dev.npcengine.NpcClient;
import dev.npcengine.example.VillageMinds;
import io.papermc.paper.event.player.AsyncChatEvent;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import net.kyori.adventure.text.Component;
import org.bukkit.configuration.file.FileConfiguration;
import org.bukkit.event.player.PlayerInteractEntityEvent;
import org.bukkit.event.player.PlayerQuitEvent;
import org.bukkit.inventory.EquipmentSlot;

/** A short scene: Alex greets Greta, Maud stands by, Silas is out of hearing. Ends with 1 if it goes wrong. */
public final class Scene {
    private static final long PATIENCE_NANOS = 60_000_000_000L;

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

            System.out.println("<Alex> Can you mend a sword?");
            server.call(new AsyncChatEvent(alex, Component.text("Can you mend a sword?")));
            until("Greta answers again", () -> answers(onlooker, greta, 2).equals(heard(alex)));

            System.out.println("* Alex walks away, and talks to himself.");
            server.onMain(() -> alex.walkTo(40));
            server.call(new AsyncChatEvent(alex, Component.text("What a day.")));
            server.onMain(() -> server.call(new PlayerQuitEvent(alex)));

            check("only Greta spoke to Alex", alex.heard.stream().allMatch(line -> line.startsWith("<Greta> ")));
            check("Maud overheard it", lines(onlooker, maud).equals(lines(onlooker, greta)));
            check("Silas is no part of it", onlooker.list().join().stream()
                    .noneMatch(npc -> npc.npc().equals(silas.getUniqueId().toString())));
            server.onMain(plugin::onDisable);
            System.out.println("* The scene is over.");
        }
    }

    /** What the villager has said in so many turns, one after the other; empty if there were not so many. */
    private static String answers(NpcClient onlooker, StubEntity villager, int turns) {
        List<String> lines = lines(onlooker, villager);
        return IntStream.range(0, lines.size() == 2 * turns ? turns : 0)
                .mapToObj(turn -> lines.get(2 * turn + 1))
                .collect(Collectors.joining(" "));
    }

    /** What the player has heard, sentence by sentence; something else than nothing if that is nothing. */
    private static String heard(StubPlayer player) {
        return player.heard.isEmpty()
                ? "nothing"
                : player.heard.stream().map(line -> line.replace("<Greta> ", "")).collect(Collectors.joining(" "));
    }

    private static List<String> lines(NpcClient onlooker, StubEntity villager) {
        return onlooker.inspect(villager.getUniqueId().toString())
                .thenApply(info -> info.journal().stream().map(entry -> entry.text()).toList())
                .exceptionally(unknownYet -> List.of())
                .join();
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
