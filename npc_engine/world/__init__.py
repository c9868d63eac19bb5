"""Many NPCs: who exists, who hears what, and who answers."""
