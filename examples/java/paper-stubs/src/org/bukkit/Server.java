package org.bukkit;

import java.util.UUID;
import org.bukkit.entity.Entity;
import org.bukkit.plugin.PluginManager;
import org.bukkit.scheduler.BukkitScheduler;

/** A stub of ours: what the plugin asks of a server. */
public interface Server {
    String getVersion();

    BukkitScheduler getScheduler();

    PluginManager getPluginManager();

    Entity getEntity(UUID id);
}
