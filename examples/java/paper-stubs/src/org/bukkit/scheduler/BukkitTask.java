package org.bukkit.scheduler;

/** A stub of ours: a task that will run. */
public interface BukkitTask {}
