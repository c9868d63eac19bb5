package org.bukkit;

/** A stub of ours: some materials. */
public enum Material {
    BREAD,
    IRON_INGOT;

    public static Material matchMaterial(String name) {
        for (Material material : values()) {
            if (material.name().equalsIgnoreCase(name)) {
                return material;
            }
        }
        return null;
    }
}
