package org.bukkit.entity;

import java.util.List;
import java.util.UUID;
import net.kyori.adventure.text.Component;

/** A stub of ours: what the plugin asks of an entity. */
public interface Entity {
    UUID getUniqueId();

    String getName();

    Component customName();

    List<Entity> getNearbyEntities(double x, double y, double z);
}
