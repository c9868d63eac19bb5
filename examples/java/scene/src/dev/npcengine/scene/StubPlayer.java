package dev.npcengine.scene;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import net.kyori.adventure.text.Component;
import net.kyori.adventure.text.serializer.plain.PlainTextComponentSerializer;
import org.bukkit.entity.Player;
import org.bukkit.inventory.ItemStack;
import org.bukkit.inventory.PlayerInventory;

/** A player, who keeps what is said to it and given to it. */
final class StubPlayer extends StubEntity implements Player {
    final List<String> heard = new CopyOnWriteArrayList<>();
    final List<ItemStack> items = new CopyOnWriteArrayList<>();

    StubPlayer(StubServer server, String name, double x) {
        super(server, name, x);
    }

    @Override
    public void sendMessage(Component message) {
        StubServer.checkMainThread();
        String line = PlainTextComponentSerializer.plainText().serialize(message);
        System.out.println(line);
        heard.add(line);
    }

    @Override
    public PlayerInventory getInventory() {
        StubServer.checkMainThread();
        return given -> {
            items.addAll(Arrays.asList(given));
            return Map.of();
        };
    }
}
