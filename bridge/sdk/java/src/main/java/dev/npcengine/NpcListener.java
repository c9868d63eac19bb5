package dev.npcengine;

/** PLACEHOLDER */
public interface NpcListener {}
