package dev.npcengine.example;

import dev.npcengine.NpcClient;
import dev.npcengine.NpcException;
import dev.npcengine.NpcListener;
import dev.npcengine.protocol.Welcome;
import org.bukkit.plugin.java.JavaPlugin;

/** A plugin for Paper: villagers with a name tag answer, remember, and know only what they heard. */
public final class VillageMinds extends JavaPlugin implements NpcListener {
    private NpcClient minds;

    @Override
    public void onEnable() {
        saveDefaultConfig();
        minds = NpcClient.at(getConfig().getString("engine", "ws://127.0.0.1:8765"))
                .name("village-minds")
                .game(getServer().getVersion())
                .callbacks(task -> getServer().getScheduler().runTask(this, task))
                .listener(this)
                .waitForServer() // players may be here before the engine is
                .start();
        Villagers villagers = new Villagers(minds, getConfig());
        getServer().getPluginManager().registerEvents(new Conversations(this, minds, villagers), this);
    }

    @Override
    public void onDisable() {
        minds.close();
    }

    @Override
    public void connected(Welcome welcome) {
        getLogger().info("Villagers think with " + welcome.model() + " on " + welcome.server() + ".");
        if (!welcome.resumed() && welcome.capabilities().contains("actions.register")) {
            new GiveItem(getServer()).register(minds).exceptionally(error -> {
                getLogger().warning("Villagers can't give anything: " + error.getMessage());
                return null;
            });
        }
    }

    @Override
    public void disconnected(NpcException why) {
        getLogger().warning("Villagers are lost in thought. " + why.getMessage());
    }
}
