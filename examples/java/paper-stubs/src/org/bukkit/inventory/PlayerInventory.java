package org.bukkit.inventory;

import java.util.Map;

/** A stub of ours: what the plugin asks of an inventory. */
public interface PlayerInventory {
    Map<Integer, ItemStack> addItem(ItemStack... items);
}
