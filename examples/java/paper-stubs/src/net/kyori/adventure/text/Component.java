package net.kyori.adventure.text;

/** A stub of ours: text. */
public interface Component {
    static TextComponent text(String content) {
        return new TextComponent(content);
    }
}
