"""One NPC: its prompt layout, its append-only history, and the parsing of what it says."""
