"""Whatever befalls the disk, nothing that was stored is lost and the operator is told what to do."""

import asyncio
import errno
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from npc_engine.errors import OperatorError
from npc_engine.store import DataFolder, Journal, NewEntry, schema
from npc_engine.store.database import FILE_NAME
from npc_engine.store.failure import describe_failure


def entry(text: str) -> NewEntry:
    return NewEntry(npc="greta", kind="heard", text=text)


async def on_the_writer(journal: Journal, statement: str) -> None:
    await asyncio.wrap_future(journal._writer.submit(lambda connection: connection.execute(statement).fetchall()))


async def fill(folder: DataFolder, count: int = 50) -> None:
    async with await Journal.open(folder) as journal:
        await journal.append([entry(f"{number} " + "x" * 500) for number in range(count)])


async def test_a_full_disk_is_told_and_survived(folder: DataFolder) -> None:
    async with await Journal.open(folder) as journal:
        [before] = await journal.append([entry("before")])
        await on_the_writer(journal, "PRAGMA max_page_count = 1")
        with pytest.raises(OperatorError, match="disk is full") as failure:
            await journal.append([entry("x" * 100_000)])
        assert str(folder.path) in failure.value.message
        assert await journal.tail("greta") == [before]
        await on_the_writer(journal, "PRAGMA max_page_count = 1000000")
        [after] = await journal.append([entry("x" * 100_000)])
    async with await Journal.open(folder) as journal:
        assert await journal.tail("greta") == [before, after]


async def test_a_small_line_fits_where_a_large_one_of_its_group_does_not(journal: Journal) -> None:
    await on_the_writer(journal, "PRAGMA max_page_count = 1")
    small, large = await asyncio.gather(
        journal.append([entry("small")]), journal.append([entry("x" * 100_000)]), return_exceptions=True
    )
    assert isinstance(large, OperatorError)
    assert await journal.tail("greta") == small


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "can't be written to"),
        (OSError(errno.EIO, "Input/output error"), "can't be used"),
    ],
)
def test_a_failing_file_system_is_named(error: OSError, says: str, tmp_path: Path) -> None:
    shown = describe_failure(error, tmp_path)
    assert says in shown.message
    assert str(tmp_path) in shown.message
    assert shown.remedy


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (sqlite3.SQLITE_READONLY_DIRECTORY, "can't be written to"),
        (sqlite3.SQLITE_BUSY, "Another program"),
        (sqlite3.SQLITE_IOERR_WRITE, "can't be used"),
        (sqlite3.SQLITE_CORRUPT, "damaged"),
    ],
)
def test_a_failing_database_is_named(code: int, says: str, tmp_path: Path) -> None:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    assert says in describe_failure(error, tmp_path).message


@pytest.mark.parametrize("folder_exists", [True, False])
def test_a_write_error_for_want_of_room_counts_as_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder_exists: bool
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    if folder_exists:
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0}))
    shown = describe_failure(error, tmp_path if folder_exists else tmp_path / "gone")
    assert ("disk is full" in shown.message) is folder_exists


def scribble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xa5" * 8192
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 3 * 4096 + 17])


def replace_by_text(path: Path) -> None:
    path.write_text("This is no database at all. " * 100)


@pytest.mark.parametrize("damage", [scribble, truncate, replace_by_text])
async def test_a_damaged_journal_is_left_alone(folder: DataFolder, damage: Callable[[Path], None]) -> None:
    await fill(folder)
    damage(folder.path / FILE_NAME)
    found = (folder.path / FILE_NAME).read_bytes()
    with pytest.raises(OperatorError, match="damaged") as refusal:
        await Journal.open(folder)
    assert "Copy the whole folder" in refusal.value.remedy
    assert (folder.path / FILE_NAME).read_bytes() == found


async def test_a_journal_of_a_newer_program_is_left_alone(folder: DataFolder) -> None:
    await fill(folder)
    with closing(sqlite3.connect(folder.path / FILE_NAME)) as connection:
        connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    with pytest.raises(OperatorError, match="newer NPC Engine") as refusal:
        await Journal.open(folder)
    assert "Update" in refusal.value.remedy


async def test_another_programs_database_is_left_alone(folder: DataFolder) -> None:
    with closing(sqlite3.connect(folder.path / FILE_NAME)) as connection:
        connection.execute("CREATE TABLE photos (id)")
    with pytest.raises(OperatorError, match="another program"):
        await Journal.open(folder)


async def test_an_empty_file_becomes_a_journal(folder: DataFolder) -> None:
    (folder.path / FILE_NAME).touch()
    await fill(folder)


async def test_a_folder_in_the_place_of_the_file_is_named(folder: DataFolder) -> None:
    (folder.path / FILE_NAME).mkdir()
    with pytest.raises(OperatorError, match="can't be used"):
        await Journal.open(folder)


async def test_a_failing_read_is_told_and_survived(journal: Journal) -> None:
    with pytest.raises(OperatorError):
        await journal._entries("SELECT * FROM nowhere", ())
    assert await journal.tail("greta") == []


def test_older_databases_are_brought_up_to_date() -> None:
    steps = ("CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y DEFAULT 7")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.migrate(connection, steps[:1])
        connection.execute("INSERT INTO a VALUES (1)")
        schema.migrate(connection, steps)
        schema.migrate(connection, steps)
        assert schema.version(connection) == 2
        assert connection.execute("SELECT * FROM a").fetchall() == [(1, 7)]


def test_a_migration_happens_entirely_or_not_at_all() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            schema.migrate(connection, ("CREATE TABLE a (x); CREATE TABLE a (x)",))
        assert schema.version(connection) == 0
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
        assert not connection.in_transaction
