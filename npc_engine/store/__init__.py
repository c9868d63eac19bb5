"""What must outlive the process: every NPC's journal, in SQLite."""

from npc_engine.store.entry import Entry, EntryKind, NewEntry
from npc_engine.store.folder import DataFolder, FolderInUse
from npc_engine.store.journal import Journal
from npc_engine.store.record import NpcRecord

__all__ = ["DataFolder", "Entry", "EntryKind", "FolderInUse", "Journal", "NewEntry", "NpcRecord"]
