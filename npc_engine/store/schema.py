"""The tables, and how older ones become today's.

``PRAGMA user_version`` counts the migrations a database has been through. A migration that was released never
changes; a change of the schema is one more at the end.
"""

import sqlite3
from collections.abc import Sequence

# "NPCE", so that a stranger's database is told from ours.
APPLICATION_ID = 0x4E504345

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE npc (
        npc TEXT PRIMARY KEY,
        persona TEXT NOT NULL,
        world TEXT NOT NULL,
        variables TEXT NOT NULL,
        mood TEXT NOT NULL,
        active INTEGER NOT NULL,
        window_start INTEGER NOT NULL,
        spawned_at REAL NOT NULL
    ) STRICT;
    CREATE TABLE entry (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        npc TEXT NOT NULL,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        speaker_id TEXT NOT NULL,
        speaker_name TEXT NOT NULL,
        speaker_kind TEXT NOT NULL,
        token_ids BLOB NOT NULL,
        at REAL NOT NULL,
        line_id TEXT
    ) STRICT;
    CREATE INDEX entry_of_npc ON entry (npc, seq);
    CREATE UNIQUE INDEX entry_line ON entry (npc, line_id) WHERE line_id IS NOT NULL;
    """,
    """
    ALTER TABLE npc ADD COLUMN state TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE npc ADD COLUMN relationships TEXT NOT NULL DEFAULT '{}';
    """,
)


def version(connection: sqlite3.Connection) -> int:
    """How many migrations the database has been through."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether the database holds tables that are not ours."""
    if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
        return False
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the database up to date. Each migration happens entirely or not at all; on an error it raises."""
    for number in range(version(connection), len(migrations)):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {migrations[number]};"
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number + 1}; COMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise
