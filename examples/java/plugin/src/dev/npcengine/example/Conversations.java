package dev.npcengine.example;

import dev.npcengine.NpcClient;
import dev.npcengine.NpcException;
import dev.npcengine.Reply;
import dev.npcengine.protocol.Speaker;
import io.papermc.paper.event.player.AsyncChatEvent;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import net.kyori.adventure.text.Component;
import net.kyori.adventure.text.serializer.plain.PlainTextComponentSerializer;
import org.bukkit.entity.Entity;
import org.bukkit.entity.Player;
import org.bukkit.event.EventHandler;
import org.bukkit.event.Listener;
import org.bukkit.event.player.PlayerInteractEntityEvent;
import org.bukkit.event.player.PlayerQuitEvent;
import org.bukkit.inventory.EquipmentSlot;
import org.bukkit.plugin.Plugin;

/** Who talks to whom: a player turns to a villager with a click, and then simply chats. Lives on the main thread. */
final class Conversations implements Listener {
    private final Plugin plugin;
    private final NpcClient minds;
    private final Villagers villagers;
    private final Map<UUID, Entity> partners = new HashMap<>();
    private final Map<UUID, Reply> replies = new HashMap<>();

    Conversations(Plugin plugin, NpcClient minds, Villagers villagers) {
        this.plugin = plugin;
        this.minds = minds;
        this.villagers = villagers;
    }

    /** A click turns to a villager, and greets it. */
    @EventHandler(ignoreCancelled = true)
    public void onClick(PlayerInteractEntityEvent event) {
        // The game tells of each hand.
        if (event.getHand() == EquipmentSlot.HAND && villagers.hasMind(event.getRightClicked())) {
            partners.put(event.getPlayer().getUniqueId(), event.getRightClicked());
            say(event.getPlayer(), event.getRightClicked(), "Good day!");
        }
    }

    /** Chat comes on a thread of its own, where the world must not be touched. */
    @EventHandler(ignoreCancelled = true)
    public void onChat(AsyncChatEvent event) {
        Player player = event.getPlayer();
        String text = PlainTextComponentSerializer.plainText().serialize(event.message());
        plugin.getServer().getScheduler().runTask(plugin, () -> {
            Entity villager = partners.get(player.getUniqueId());
            if (villager != null && villagers.near(player).contains(villager)) {
                say(player, villager, text);
            }
        });
    }

    /** Who leaves isn't answered any more. */
    @EventHandler
    public void onQuit(PlayerQuitEvent event) {
        partners.remove(event.getPlayer().getUniqueId());
        Reply open = replies.remove(event.getPlayer().getUniqueId());
        if (open != null) {
            open.cancel();
        }
    }

    private void say(Player player, Entity villager, String text) {
        Speaker speaker = Speaker.of(player.getUniqueId().toString()).withName(player.getName());
        Reply reply = minds.say(
                villagers.mind(villager), speaker, text, say -> say.withHearers(villagers.hearers(villager)));
        replies.put(player.getUniqueId(), reply);
        reply.onSentence(sentence -> speak(villager, sentence)).done().whenComplete((done, error) -> {
            replies.remove(player.getUniqueId(), reply);
            if (error instanceof NpcException why) {
                player.sendMessage(Component.text(villagers.name(villager) + " doesn't answer."));
                plugin.getLogger().warning(why.toString());
            }
        });
    }

    private void speak(Entity villager, String sentence) {
        Component line = Component.text("<" + villagers.name(villager) + "> " + sentence);
        for (Entity near : villagers.near(villager)) {
            if (near instanceof Player listener) {
                listener.sendMessage(line);
            }
        }
    }
}
