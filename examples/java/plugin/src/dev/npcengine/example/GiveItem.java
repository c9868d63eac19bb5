package dev.npcengine.example;

import dev.npcengine.NpcClient;
import dev.npcengine.Outcome;
import dev.npcengine.protocol.Action;
import dev.npcengine.protocol.ReplyAction;
import dev.npcengine.protocol.Scope;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.bukkit.Material;
import org.bukkit.Server;
import org.bukkit.entity.Entity;
import org.bukkit.entity.Player;
import org.bukkit.inventory.ItemStack;

/** Villagers give things to the player next to them. */
final class GiveItem {
    private static final double REACH_BLOCKS = 4;
    private static final Map<String, Object> SCHEMA = Map.of(
            "type", "object",
            "properties", Map.of("item", Map.of("enum", List.of("BREAD", "IRON_INGOT"))),
            "required", List.of("item"),
            "additionalProperties", false);

    private final Server server;

    GiveItem(Server server) {
        this.server = server;
    }

    CompletableFuture<Void> register(NpcClient minds) {
        Action action = Action.of("give_item", "Give something to the one who speaks to you.").withSchema(SCHEMA);
        return minds.register(Scope.of().withAll(true), action, this::give);
    }

    /** On the main thread, as all callbacks. */
    private Outcome give(ReplyAction call) {
        Entity villager = server.getEntity(UUID.fromString(call.npc()));
        Material material = Material.matchMaterial(String.valueOf(call.args().get("item")));
        if (villager == null || material == null) {
            return Outcome.failed("It is not there any more.");
        }
        for (Entity near : villager.getNearbyEntities(REACH_BLOCKS, REACH_BLOCKS, REACH_BLOCKS)) {
            if (near instanceof Player player) {
                player.getInventory().addItem(new ItemStack(material));
                return Outcome.done(player.getName() + " has it now.");
            }
        }
        return Outcome.failed("Nobody is near enough.");
    }
}
