package org.bukkit.plugin.java;

import java.util.logging.Logger;
import org.bukkit.Server;
import org.bukkit.configuration.file.FileConfiguration;
import org.bukkit.plugin.Plugin;

/** A stub of ours: a plugin. The scene sets what the game's loader would. */
public abstract class JavaPlugin implements Plugin {
    private Server server;
    private FileConfiguration config;

    public void stubLoad(Server server, FileConfiguration config) {
        this.server = server;
        this.config = config;
    }

    public void onEnable() {}

    public void onDisable() {}

    public void saveDefaultConfig() {}

    public FileConfiguration getConfig() {
        return config;
    }

    @Override
    public final Server getServer() {
        return server;
    }

    @Override
    public Logger getLogger() {
        return Logger.getLogger(getClass().getSimpleName());
    }
}
