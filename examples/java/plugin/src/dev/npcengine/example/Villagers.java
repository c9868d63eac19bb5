package dev.npcengine.example;

import dev.npcengine.NpcClient;
import java.util.List;
import net.kyori.adventure.text.serializer.plain.PlainTextComponentSerializer;
import org.bukkit.configuration.file.FileConfiguration;
import org.bukkit.entity.Entity;
import org.bukkit.entity.Villager;

/** Which villagers have a mind, and what the engine calls it: by the id that the entity keeps for good. */
final class Villagers {
    private static final double HEARING_BLOCKS = 8;

    private final NpcClient minds;
    private final FileConfiguration config;

    Villagers(NpcClient minds, FileConfiguration config) {
        this.minds = minds;
        this.config = config;
    }

    /** Whether {@code entity} is a villager with a persona. */
    boolean hasMind(Entity entity) {
        return entity instanceof Villager && persona(entity) != null;
    }

    /** What players call it. */
    String name(Entity villager) {
        return villager.customName() == null
                ? villager.getName()
                : PlainTextComponentSerializer.plainText().serialize(villager.customName());
    }

    /** The id of its mind, which is spawned. Spawning twice is harmless, so nothing needs to be remembered here. */
    String mind(Entity villager) {
        String npc = villager.getUniqueId().toString();
        minds.spawn(npc, persona(villager));
        return npc;
    }

    /** The minds of those near {@code villager}, who hear what is said to it. */
    List<String> hearers(Entity villager) {
        return near(villager).stream().filter(this::hasMind).map(this::mind).toList();
    }

    /** Who and what is near enough to hear. */
    List<Entity> near(Entity entity) {
        return entity.getNearbyEntities(HEARING_BLOCKS, HEARING_BLOCKS, HEARING_BLOCKS);
    }

    private String persona(Entity villager) {
        return config.getString("personas." + name(villager));
    }
}
