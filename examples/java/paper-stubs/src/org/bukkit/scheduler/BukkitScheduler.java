package org.bukkit.scheduler;

import org.bukkit.plugin.Plugin;

/** A stub of ours: runs tasks on the main thread, at the next tick. */
public interface BukkitScheduler {
    BukkitTask runTask(Plugin plugin, Runnable task);
}
