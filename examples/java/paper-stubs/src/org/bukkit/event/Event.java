package org.bukkit.event;

/** A stub of ours: something that happened. */
public abstract class Event {}
