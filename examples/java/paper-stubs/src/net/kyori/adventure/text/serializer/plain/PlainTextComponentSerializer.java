package net.kyori.adventure.text.serializer.plain;

import net.kyori.adventure.text.Component;
import net.kyori.adventure.text.TextComponent;

/** A stub of ours: text without its looks. */
public final class PlainTextComponentSerializer {
    private static final PlainTextComponentSerializer PLAIN = new PlainTextComponentSerializer();

    private PlainTextComponentSerializer() {}

    public static PlainTextComponentSerializer plainText() {
        return PLAIN;
    }

    public String serialize(Component component) {
        return ((TextComponent) component).content();
    }
}
