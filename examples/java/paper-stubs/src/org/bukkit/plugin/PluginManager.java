package org.bukkit.plugin;

import org.bukkit.event.Listener;

/** A stub of ours: where listeners register. */
public interface PluginManager {
    void registerEvents(Listener listener, Plugin plugin);
}
