package org.bukkit.plugin;

import java.util.logging.Logger;
import org.bukkit.Server;

/** A stub of ours: what listeners ask of their plugin. */
public interface Plugin {
    Server getServer();

    Logger getLogger();
}
