package io.papermc.paper.event.player;

import net.kyori.adventure.text.Component;
import org.bukkit.entity.Player;
import org.bukkit.event.player.PlayerEvent;

/** A stub of ours: a player chats. It comes on a thread of its own. */
public final class AsyncChatEvent extends PlayerEvent {
    private final Component message;

    public AsyncChatEvent(Player player, Component message) {
        super(player);
        this.message = message;
    }

    public Component message() {
        return message;
    }
}
