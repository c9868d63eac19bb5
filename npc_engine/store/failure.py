"""Turns what SQLite and the file system say into what the operator can do about it."""

import errno
import shutil
import sqlite3
from pathlib import Path

from npc_engine.errors import OperatorError

# SQLite reports a write that the disk had no room for as a plain I/O error on some systems.
_NO_ROOM_BYTES = 1 << 20


def describe_failure(error: sqlite3.Error | OSError, folder: Path) -> OperatorError:
    """The operator's view of ``error``, which befell a file in ``folder``."""
    if _is_full(error, folder):
        return OperatorError(
            f"The disk is full: nothing more can be stored in {folder}.",
            remedy="Make room there; what was stored is safe, and storing goes on as soon as there is room.",
        )
    primary = _sqlite_code(error)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(folder, str(error))
    if primary == sqlite3.SQLITE_READONLY or isinstance(error, PermissionError):
        return OperatorError(
            f"The data folder {folder} can't be written to ({error}).",
            remedy="Give this user the right to write there, or choose another folder with --data.",
        )
    if primary == sqlite3.SQLITE_BUSY:
        return OperatorError(
            f"Another program holds the journal in {folder} ({error}).",
            remedy="Close whatever has the database open.",
        )
    return OperatorError(
        f"The data folder {folder} can't be used ({error}).",
        remedy="Check that the disk is healthy and that this user may write there, or choose another.",
    )


def damaged(folder: Path, finding: str) -> OperatorError:
    """The error for a journal that SQLite finds damaged."""
    return OperatorError(
        f"The journal in {folder} is damaged ({finding}). It was left exactly as it is.",
        remedy="Copy the whole folder to a safe place first. Then put back a backup, "
        "or rescue what can be read with 'sqlite3 journal.db .recover | sqlite3 rescued.db', "
        "or start afresh with another --data folder.",
    )


def _is_full(error: sqlite3.Error | OSError, folder: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    code = _sqlite_code(error)
    if code == sqlite3.SQLITE_FULL:
        return True
    if code not in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return False
    try:
        return shutil.disk_usage(folder).free < _NO_ROOM_BYTES
    except OSError:
        return False


def _sqlite_code(error: Exception) -> int | None:
    """SQLite's primary result code; the upper bytes of an extended code say more than is needed here."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
