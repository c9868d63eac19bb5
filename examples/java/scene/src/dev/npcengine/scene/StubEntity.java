package dev.npcengine.scene;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import net.kyori.adventure.text.Component;
import org.bukkit.entity.Entity;
import org.bukkit.entity.Villager;

/** Something with a name in a world that is a line: it stands at {@code x}. Its id follows from its name. */
class StubEntity implements Entity {
    private final StubServer server;
    private final String name;
    private volatile double x;

    StubEntity(StubServer server, String name, double x) {
        this.server = server;
        this.name = name;
        this.x = x;
        server.add(this);
    }

    static final class OfVillager extends StubEntity implements Villager {
        OfVillager(StubServer server, String name, double x) {
            super(server, name, x);
        }
    }

    void walkTo(double place) {
        StubServer.checkMainThread();
        x = place;
    }

    @Override
    public UUID getUniqueId() {
        return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public String getName() {
        return name;
    }

    @Override
    public Component customName() {
        return Component.text(name);
    }

    @Override
    public List<Entity> getNearbyEntities(double width, double height, double depth) {
        return server.entities().stream()
                .filter(other -> other != this && Math.abs(other.x - x) <= width)
                .map(Entity.class::cast)
                .toList();
    }
}
