"""The file of the disk tier: a table of blocks and a table of their states, in SQLite.

SQLite gives what a file of our own would have to earn: a change is there whole or not at all, whatever kills the
process; room of deleted states is used again; a size that is never exceeded. What it does not promise is that bits stay
as they were, so every state carries a checksum over itself and the identity it belongs to.

Nothing here is precious: a file that can't be read is deleted and begun anew.
"""

import shutil
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import torch

from npc_engine.inference.kv.block import Tokens, pack_tokens, unpack_tokens
from npc_engine.inference.kv.codec import CODECS

_FORMAT = 2
_PAGE = 16384
_UNREADABLE = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_ERROR}
"""Codes of operational errors that come from what is in a file: it ends too soon, or has other tables."""

_SPARE_PAGES = 16
"""Pages for the tables' own structure that every file has."""

_ROW_PAGES = 2
"""Pages that a block may cost beyond its state: a share of the index, and the last page of the state."""

RESERVE = 256 << 20
"""Free bytes of the disk that are left to others, the journals of all NPCs first of all."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS blocks (
    id INTEGER PRIMARY KEY,
    identity BLOB NOT NULL UNIQUE,
    parent BLOB NOT NULL,
    tokens BLOB NOT NULL,
    codec TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    cost INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS states (id INTEGER PRIMARY KEY, state BLOB NOT NULL);
"""


class Stored(NamedTuple):
    """What the file says of a block. ``cost`` is in bytes of the file."""

    identity: bytes
    parent: bytes
    tokens: Tokens
    cost: int


class Record(NamedTuple):
    """A block to write: ``state`` as the codec gave it."""

    identity: bytes
    parent: bytes
    tokens: Tokens
    codec: str
    payload: torch.Tensor


class Damaged(Exception):
    """A stored state is not what was written."""


class DiskFile:
    """One open file. Not thread-safe. Methods raise sqlite3.Error and OSError; after a sqlite3.DatabaseError that is
    no OperationalError the file is damaged: ``begin_anew``.
    """

    def __init__(self, path: Path, budget: int) -> None:
        self._path, self._budget = path, budget
        # What could not be deleted yet: the disk refused. It is tried again with the next change.
        self._doomed: dict[bytes, None] = {}
        try:
            self._open()
        except sqlite3.OperationalError as error:
            # A file that another process uses, or that may not be read, is left alone.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _UNREADABLE:
                raise
            self.begin_anew()
        except sqlite3.DatabaseError:
            self.begin_anew()

    def stored(self) -> Iterator[Stored]:
        """All blocks, oldest first. One whose row makes no sense has no tokens."""
        # Closed, because a cursor that is left open keeps the file locked even when its connection has gone.
        with closing(self._connection.execute("SELECT identity, parent, tokens, cost FROM blocks ORDER BY id")) as rows:
            for identity, parent, tokens, cost in rows:
                try:
                    if not isinstance(cost, int) or cost <= 0:
                        raise ValueError(f"no block costs {cost}")
                    yield Stored(identity, parent, unpack_tokens(tokens), cost)
                except (TypeError, ValueError):
                    yield Stored(identity, parent, (), 0)

    def read(self, identity: bytes, into: torch.Tensor) -> None:
        """Fill ``into`` [2, layers, kv_heads, tokens, head_dim] with a block's state. Raises Damaged."""
        query = "SELECT codec, checksum, state FROM blocks JOIN states USING (id) WHERE identity = ?"
        with closing(self._connection.execute(query, (identity,))) as rows:
            row = rows.fetchone()
        if row is None:
            raise Damaged("the state is not there")
        codec, checksum, state = row
        if checksum != _checksum(identity, state) or codec not in CODECS:
            raise Damaged("the checksum is wrong")
        try:
            CODECS[codec]().decode(torch.frombuffer(bytearray(state), dtype=torch.uint8), into)
        except ValueError as error:
            raise Damaged(str(error)) from error

    def write(self, records: Iterable[Record]) -> list[int]:
        """Add blocks, all or none; what each costs in bytes. A block that is there already is written anew.

        Raises sqlite3.OperationalError when they would exceed the budget, or take of the disk what is left to others.
        """
        costs = []
        self._limit()
        with self._connection:
            for identity in self._doomed:
                self._delete(identity)
            for record in records:
                state = record.payload.numpy().tobytes()
                cost = cost_of(len(state))
                self._delete(record.identity)
                cursor = self._connection.execute(
                    "INSERT INTO blocks (identity, parent, tokens, codec, checksum, cost) VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        record.identity,
                        record.parent,
                        pack_tokens(record.tokens),
                        record.codec,
                        _checksum(record.identity, state),
                        cost,
                    ),
                )
                self._connection.execute("INSERT INTO states VALUES (?, ?)", (cursor.lastrowid, state))
                costs.append(cost)
        self._doomed.clear()
        self._limit()
        return costs

    def delete(self, identities: Iterable[bytes], *, wipe: bool = False) -> None:
        """Remove blocks; unknown ones are ignored. ``wipe`` leaves nothing to be read in the file's free pages."""
        self._doomed.update(dict.fromkeys(identities))
        self._pragma(f"secure_delete = {int(wipe)}")
        try:
            self.write(())
        finally:
            self._pragma("secure_delete = 0")

    def set_budget(self, budget: int) -> None:
        """Never let the file grow beyond ``budget`` bytes, and give back what it takes beyond that."""
        self._budget = budget
        self._limit()

    def begin_anew(self) -> None:
        """Delete everything."""
        with suppress(AttributeError, sqlite3.Error):
            self._connection.close()
        for path in (self._path, self._path.with_name(self._path.name + "-journal")):
            path.unlink(missing_ok=True)
        self._doomed.clear()
        self._open()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Made in one thread and used in another, by one at a time.
        self._connection = sqlite3.connect(self._path, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            # Whoever tries again must not find it locked by this one.
            self._connection.close()
            raise

    def _prepare(self) -> None:
        for setting in (
            f"page_size = {_PAGE}",
            "auto_vacuum = INCREMENTAL",
            "locking_mode = EXCLUSIVE",
            # A crash of the machine may damage the file: then it is begun anew. A crash of the process can't.
            "synchronous = OFF",
            "journal_mode = TRUNCATE",
        ):
            self._connection.execute(f"PRAGMA {setting}").fetchall()
        version = self._pragma("user_version")
        if version not in (0, _FORMAT):
            raise sqlite3.DatabaseError(f"format {version} is not {_FORMAT}")
        self._connection.executescript(_SCHEMA)
        self._connection.execute(f"PRAGMA user_version = {_FORMAT}")
        self._connection.commit()
        self._limit()

    def _limit(self) -> None:
        budget = max(self._budget // _PAGE, _SPARE_PAGES)
        if self._pragma("page_count") > budget:
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()
        room = max(0, shutil.disk_usage(self._path.parent).free - RESERVE) // _PAGE
        most = min(budget, max(_SPARE_PAGES, self._pragma("page_count") + room))
        self._pragma(f"max_page_count = {most}")

    def _pragma(self, text: str) -> int:
        ((number,),) = self._connection.execute(f"PRAGMA {text}").fetchall()
        return int(number)

    def _delete(self, identity: bytes) -> None:
        self._connection.execute(
            "DELETE FROM states WHERE id = (SELECT id FROM blocks WHERE identity = ?)", (identity,)
        )
        self._connection.execute("DELETE FROM blocks WHERE identity = ?", (identity,))


def cost_of(payload_bytes: int) -> int:
    """Bytes of the file that a state of ``payload_bytes`` takes, rounded up."""
    return (-(-payload_bytes // (_PAGE - 8)) + _ROW_PAGES) * _PAGE


def usable_budget(budget: int) -> int:
    """How much of a file of ``budget`` bytes can hold blocks."""
    return max(0, budget - _SPARE_PAGES * _PAGE)


def _checksum(identity: bytes, state: bytes) -> int:
    # Against damage, not malice: whoever can write to this file could as well change the model.
    return zlib.crc32(state, zlib.crc32(identity))
