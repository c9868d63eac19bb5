package org.bukkit.configuration.file;

import java.util.Map;

/** A stub of ours: settings by their path. */
public final class FileConfiguration {
    private final Map<String, String> values;

    public FileConfiguration(Map<String, String> values) {
        this.values = Map.copyOf(values);
    }

    public String getString(String path) {
        return values.get(path);
    }

    public String getString(String path, String otherwise) {
        return values.getOrDefault(path, otherwise);
    }
}
