package org.bukkit.entity;

import net.kyori.adventure.text.Component;
import org.bukkit.inventory.PlayerInventory;

/** A stub of ours: what the plugin asks of a player. */
public interface Player extends Entity {
    void sendMessage(Component message);

    PlayerInventory getInventory();
}
