"""Opens the journal's database file, after looking at it without touching it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from npc_engine.errors import OperatorError
from npc_engine.store import schema
from npc_engine.store.failure import damaged, describe_failure

FILE_NAME = "journal.db"
_BUSY_TIMEOUT_S = 5.0


def open_for_writing(folder: Path) -> sqlite3.Connection:
    """A connection that may write, with today's schema; made in one thread and then used by one other.

    Raises ``OperatorError`` if the file is damaged, foreign, or from a newer program; it is left as it was
    then.
    """
    try:
        if (folder / FILE_NAME).exists():
            _inspect(folder)
        connection = _connect(folder, "rwc")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on the disk when it returns, so an acknowledged line outlives a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            # macOS calls data written while the drive still holds it in its cache; elsewhere this changes
            # nothing.
            connection.execute("PRAGMA fullfsync = ON")
            # What a player has forgotten should not stay readable in the file's free pages.
            connection.execute("PRAGMA secure_delete = ON")
            schema.migrate(connection)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise describe_failure(error, folder) from error
    return connection


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """A connection that only reads; made in one thread, used by one other. Raises ``OperatorError``."""
    try:
        return _connect(folder, "ro")
    except sqlite3.Error as error:
        raise describe_failure(error, folder) from error


def _connect(folder: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{(folder / FILE_NAME).as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_TIMEOUT_S,
    )


def _inspect(folder: Path) -> None:
    """Refuse a file that this program should not write to.

    Read-only, because a writing connection would fold the write-ahead log into a file that may be damaged.
    """
    with closing(_connect(folder, "ro")) as connection:
        findings = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
        if findings != ["ok"]:
            raise damaged(folder, "; ".join(findings))
        if schema.is_foreign(connection):
            raise OperatorError(
                f"{folder / FILE_NAME} is a database of another program.",
                remedy="Choose another folder with --data.",
            )
        found, known = schema.version(connection), len(schema.MIGRATIONS)
        if found > known:
            raise OperatorError(
                f"The journal in {folder} is of a newer NPC Engine (format {found}; this one knows {known}).",
                remedy="Update NPC Engine, or choose another folder with --data.",
            )
