package org.bukkit.event;

/** A stub of ours: who has methods for events. */
public interface Listener {}
