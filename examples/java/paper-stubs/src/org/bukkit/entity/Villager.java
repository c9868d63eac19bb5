package org.bukkit.entity;

/** A stub of ours: a villager. */
public interface Villager extends Entity {}
