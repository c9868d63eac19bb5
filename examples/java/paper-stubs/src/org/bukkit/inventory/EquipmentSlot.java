package org.bukkit.inventory;

/** A stub of ours: the hands. */
public enum EquipmentSlot {
    HAND,
    OFF_HAND
}
