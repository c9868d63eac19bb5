package org.bukkit.event.player;

import org.bukkit.entity.Entity;
import org.bukkit.entity.Player;
import org.bukkit.inventory.EquipmentSlot;

/** A stub of ours: a player clicks on an entity, with one hand. */
public final class PlayerInteractEntityEvent extends PlayerEvent {
    private final Entity clicked;
    private final EquipmentSlot hand;

    public PlayerInteractEntityEvent(Player player, Entity clicked, EquipmentSlot hand) {
        super(player);
        this.clicked = clicked;
        this.hand = hand;
    }

    public Entity getRightClicked() {
        return clicked;
    }

    public EquipmentSlot getHand() {
        return hand;
    }
}
