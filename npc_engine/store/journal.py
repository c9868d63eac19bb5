"""The journal: append-only entries per NPC, and a record of each NPC. On disk before anyone is told."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from npc_engine.store import rows
from npc_engine.store.database import open_for_reading, open_for_writing
from npc_engine.store.entry import Entry, EntryKind, NewEntry
from npc_engine.store.failure import describe_failure
from npc_engine.store.folder import DataFolder
from npc_engine.store.record import NpcRecord
from npc_engine.store.writer import Writer

T = TypeVar("T")

# SQLite takes a negative limit for none.
_NO_LIMIT = -1


class Journal:
    """What all NPCs of one data folder remember.

    Called from the event loop and never blocks it. A write is committed and on disk when its ``await``
    returns; a read then sees it. Writes take effect in the order they were asked for. Every method raises
    ``OperatorError`` when the disk is full or fails, and stays usable: the same call works again once the
    cause is gone.

    If the task that awaits a write is cancelled, the write may or may not happen.
    """

    def __init__(self, folder: DataFolder, writing: sqlite3.Connection, reading: sqlite3.Connection) -> None:
        """Use ``Journal.open``."""
        self._folder = folder.path
        self._writer = Writer(writing, folder.path)
        self._reading = reading
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-reader")
        self._closed = False

    @classmethod
    async def open(cls, folder: DataFolder) -> Self:
        """Open the journal in ``folder``, which must stay held; a new one if there is none.

        Raises ``OperatorError`` if the file is damaged or from a newer program; it is left as it was then.
        """

        def connect() -> tuple[sqlite3.Connection, sqlite3.Connection]:
            writing = open_for_writing(folder.path)
            try:
                return writing, open_for_reading(folder.path)
            except BaseException:
                writing.close()
                raise

        return cls(folder, *await asyncio.to_thread(connect))

    async def close(self) -> None:
        """Commit what is under way and close the files. Harmless when called again."""
        if self._closed:
            return
        self._closed = True

        def shut() -> None:
            # The reader goes first: the last connection to close folds the write-ahead log into the database.
            self._reader.shutdown()
            self._reading.close()
            self._writer.close()

        await asyncio.to_thread(shut)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def append(self, entries: Sequence[NewEntry], records: Sequence[NpcRecord] = ()) -> list[Entry]:
        """Store ``entries``, and with them ``records``: all of them or none.

        Returns the stored entries in the order given. An entry whose ``line_id`` its NPC has already is not
        stored again: the one stored first is returned in its place. Raises ``ValueError`` for token ids past
        32 bits.
        """
        new = [(entry, rows.entry_row(entry)) for entry in entries]
        upserts = [rows.record_row(record) for record in records]

        def write(connection: sqlite3.Connection) -> list[Entry]:
            connection.executemany(rows.UPSERT_RECORD, upserts)
            return [_insert(connection, entry, row) for entry, row in new]

        return await asyncio.wrap_future(self._writer.submit(write))

    async def tail(self, npc: str, after_seq: int = 0, limit: int | None = None) -> list[Entry]:
        """The entries of ``npc`` with a seq past ``after_seq``, oldest first, at most ``limit``."""
        query = f"{rows.SELECT_ENTRY} WHERE npc = ? AND seq > ? ORDER BY seq LIMIT ?"
        return await self._entries(query, (npc, after_seq, _NO_LIMIT if limit is None else limit))

    async def newest(self, npc: str, n: int) -> list[Entry]:
        """The ``n`` newest entries of ``npc``, oldest first."""
        newest_first = await self._entries(f"{rows.SELECT_ENTRY} WHERE npc = ? ORDER BY seq DESC LIMIT ?", (npc, n))
        return newest_first[::-1]

    async def find(self, npc: str, line_id: str) -> Entry | None:
        """The entry of ``npc`` that was stored under ``line_id``."""
        found = await self._entries(f"{rows.SELECT_ENTRY} WHERE npc = ? AND line_id = ?", (npc, line_id))
        return found[0] if found else None

    async def count(self, npc: str, kind: EntryKind | None = None) -> int:
        """How many entries ``npc`` has, of all kinds or of one."""
        query = "SELECT count(*) FROM entry WHERE npc = ? AND kind = ifnull(?, kind)"
        return await self._read(lambda connection: int(connection.execute(query, (npc, kind)).fetchone()[0]))

    async def upsert(self, record: NpcRecord) -> None:
        """Store ``record`` in place of the NPC's earlier one. Raises ``TypeError`` if it can't be JSON."""
        await self.append((), (record,))

    async def get(self, npc: str) -> NpcRecord | None:
        """The record of ``npc``."""
        records = await self._records(f"{rows.SELECT_RECORD} WHERE npc = ?", (npc,))
        return records[0] if records else None

    async def all(self) -> list[NpcRecord]:
        """The records of all NPCs, despawned ones too, in the order they were spawned."""
        return await self._records(f"{rows.SELECT_RECORD} ORDER BY spawned_at, npc", ())

    async def forget(self, npc: str) -> bool:
        """Delete ``npc`` and all its entries for good. False if there was nothing to delete."""

        def write(connection: sqlite3.Connection) -> bool:
            entries = connection.execute("DELETE FROM entry WHERE npc = ?", (npc,)).rowcount
            records = connection.execute("DELETE FROM npc WHERE npc = ?", (npc,)).rowcount
            return entries + records > 0

        return await asyncio.wrap_future(self._writer.submit(write))

    async def _entries(self, query: str, values: tuple[Any, ...]) -> list[Entry]:
        return await self._read(lambda connection: [rows.entry(row) for row in connection.execute(query, values)])

    async def _records(self, query: str, values: tuple[Any, ...]) -> list[NpcRecord]:
        return await self._read(lambda connection: [rows.record(row) for row in connection.execute(query, values)])

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def read() -> T:
            try:
                return work(self._reading)
            except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
                raise describe_failure(error, self._folder) from error

        if self._closed:
            raise RuntimeError("the journal is closed")
        return await asyncio.get_running_loop().run_in_executor(self._reader, read)


def _insert(connection: sqlite3.Connection, entry: NewEntry, row: tuple[Any, ...]) -> Entry:
    cursor = connection.execute(rows.INSERT_ENTRY, row)
    if cursor.rowcount:
        assert cursor.lastrowid is not None
        return rows.numbered(entry, cursor.lastrowid)
    query = f"{rows.SELECT_ENTRY} WHERE npc = ? AND line_id = ?"
    return rows.entry(connection.execute(query, (entry.npc, entry.line_id)).fetchone())
