"""The journal keeps what it was given, in order, per NPC."""

import asyncio
from dataclasses import replace

import pytest

from npc_engine.store import DataFolder, Journal, NewEntry, NpcRecord


def heard(npc: str, text: str, **more: object) -> NewEntry:
    return replace(
        NewEntry(npc=npc, kind="heard", text=text, speaker_id="p1", speaker_name="Alex", speaker_kind="player"),
        **more,
    )


def said(npc: str, text: str) -> NewEntry:
    return NewEntry(npc=npc, kind="said", text=text, speaker_id=npc, speaker_name="Greta", speaker_kind="npc")


async def test_an_entry_comes_back_as_it_was_given(journal: Journal) -> None:
    given = heard("greta", "Grüß Gott\0 🐟", token_ids=(0, 65535, 65536, 2**32 - 1), at=12.5, line_id="l1")
    [stored] = await journal.append([given])
    assert await journal.tail("greta") == [stored]
    assert {name: getattr(stored, name) for name in NewEntry.__slots__} == {
        name: getattr(given, name) for name in NewEntry.__slots__
    }


async def test_each_npc_has_its_own_entries_in_order(journal: Journal) -> None:
    await journal.append([heard("greta", "one"), heard("tom", "one")])
    await journal.append([said("greta", "two")])
    assert [entry.text for entry in await journal.tail("greta")] == ["one", "two"]
    assert [entry.text for entry in await journal.tail("tom")] == ["one"]
    assert await journal.tail("nobody") == []
    assert (await journal.count("greta"), await journal.count("nobody")) == (2, 0)


async def test_tail_and_newest_choose_a_part(journal: Journal) -> None:
    stored = await journal.append([heard("greta", str(number)) for number in range(10)])
    assert await journal.tail("greta", after_seq=stored[6].seq) == stored[7:]
    assert await journal.tail("greta", after_seq=stored[6].seq, limit=1) == stored[7:8]
    assert await journal.newest("greta", 3) == stored[-3:]


async def test_the_same_line_is_stored_once_per_npc(journal: Journal) -> None:
    first = await journal.append([heard("greta", "hi", line_id="l1"), heard("tom", "hi", line_id="l1")])
    again = await journal.append([heard("greta", "hi again", line_id="l1")])
    assert again == first[:1]
    assert await journal.count("greta") == 1
    assert await journal.find("tom", "l1") == first[1]
    assert await journal.find("tom", "l2") is None


async def test_an_append_is_stored_whole_or_not_at_all(journal: Journal) -> None:
    with pytest.raises(UnicodeEncodeError):
        await journal.append([heard("greta", "fine"), heard("tom", "half a character: \ud800")])
    with pytest.raises(ValueError, match="token ids"):
        await journal.append([heard("greta", "fine"), heard("tom", "negative", token_ids=(-1,))])
    assert await journal.count("greta") == 0


async def test_a_bad_write_does_not_harm_the_others_of_its_group(journal: Journal) -> None:
    writes = [journal.append([heard("greta", "\ud800" if number == 7 else str(number))]) for number in range(20)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Exception)] == [7]
    assert [entry.text for entry in await journal.tail("greta")] == [str(n) for n in range(20) if n != 7]


async def test_writes_of_one_moment_are_committed_together(journal: Journal) -> None:
    transactions: list[str] = []
    await asyncio.wrap_future(
        journal._writer.submit(
            lambda connection: connection.set_trace_callback(
                lambda statement: transactions.append(statement) if statement == "COMMIT" else None
            )
        )
    )
    transactions.clear()
    await asyncio.gather(*[journal.append([heard("greta", str(number))]) for number in range(200)])
    assert len(transactions) < 100


async def test_a_record_is_replaced_and_found(journal: Journal) -> None:
    greta = NpcRecord(npc="greta", persona="smith", world="oakvale", variables={"village": "Öd", "age": 40})
    tom = NpcRecord(npc="tom", persona="fisher", world="oakvale", spawned_at=greta.spawned_at + 1)
    await journal.upsert(tom)
    await journal.upsert(greta)
    changed = replace(greta, mood="angry", active=False, window_start=12)
    [entry] = await journal.append([said("greta", "Out!")], [changed])
    assert await journal.get("greta") == changed
    assert await journal.get("nobody") is None
    assert await journal.all() == [changed, tom]
    assert await journal.tail("greta") == [entry]


async def test_a_forgotten_npc_leaves_nothing_behind(journal: Journal, folder: DataFolder) -> None:
    await journal.upsert(NpcRecord(npc="greta", persona="smith", world="oakvale"))
    [entry, _] = await journal.append([heard("greta", "a secret nobody may read"), heard("tom", "hello")])
    assert await journal.forget("greta")
    assert not await journal.forget("greta")
    assert (await journal.get("greta"), await journal.tail("greta")) == (None, [])
    assert await journal.count("tom") == 1
    [later] = await journal.append([heard("greta", "new")])
    assert later.seq > entry.seq + 1, "a seq is never given out twice"
    await journal.close()
    assert b"a secret nobody may read" not in (folder.path / "journal.db").read_bytes()


async def test_everything_is_there_after_closing(folder: DataFolder) -> None:
    async with await Journal.open(folder) as journal:
        stored = await journal.append([heard("greta", "hi", token_ids=(1, 2, 3))])
        await journal.upsert(NpcRecord(npc="greta", persona="smith", world="oakvale", window_start=1))
    async with await Journal.open(folder) as journal:
        assert await journal.tail("greta") == stored
        assert [record.window_start for record in await journal.all()] == [1]


async def test_closing_commits_what_is_under_way_and_ends_the_journal(folder: DataFolder) -> None:
    journal = await Journal.open(folder)
    appends = [asyncio.create_task(journal.append([heard("greta", str(number))])) for number in range(50)]
    await asyncio.sleep(0)
    await journal.close()
    await journal.close()
    assert len(await asyncio.gather(*appends)) == 50
    with pytest.raises(RuntimeError, match="closed"):
        await journal.append([heard("greta", "late")])
    with pytest.raises(RuntimeError, match="closed"):
        await journal.tail("greta")


async def test_the_event_loop_runs_on_while_the_disk_works(journal: Journal) -> None:
    ticks = 0
    append = asyncio.create_task(journal.append([heard("greta", "x" * 1000)] * 5000))
    while not append.done():
        await asyncio.sleep(0)
        ticks += 1
    assert ticks > 10
