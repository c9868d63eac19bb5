package net.kyori.adventure.text;

/** A stub of ours: plain text. */
public record TextComponent(String content) implements Component {}
