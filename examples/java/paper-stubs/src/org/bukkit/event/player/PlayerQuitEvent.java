package org.bukkit.event.player;

import org.bukkit.entity.Player;

/** A stub of ours: a player leaves. */
public final class PlayerQuitEvent extends PlayerEvent {
    public PlayerQuitEvent(Player player) {
        super(player);
    }
}
