"""What must outlive the process: every NPC's journal, in SQLite."""
