"""An NPC that is forgotten is gone for good, whatever was going on around it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from npc_engine.errors import OperatorError, UnknownNpc
from npc_engine.inference.kv.block import BLOCK_TOKENS, unpack_tokens
from npc_engine.inference.load import EngineOptions, load_engine
from npc_engine.inference.thread import EngineThread
from npc_engine.mind.mind import Language
from npc_engine.store import NpcRecord
from npc_engine.world.events import Happening, ReplyDone, Update
from tests.tiny import make_tiny
from tests.village import Script, Village, done, language_of, open_village


async def test_nothing_of_it_is_left_and_the_next_under_its_id_is_somebody_new(scripted: Village) -> None:
    await scripted.spawn("ada", "bo")
    await scripted.talk("ada", "Remember the password.", ["bo"])
    await scripted.world.update(Update("ada", {"place": "the mill"}, "angry"))
    await scripted.world.forget("ada")
    assert [npc.npc for npc in scripted.world.roster()] == ["bo"]
    assert await scripted.remembers("ada") == []
    assert await scripted.journal.get("ada") is None
    with pytest.raises(UnknownNpc):
        await scripted.talk("ada", "Hello?")
    with pytest.raises(UnknownNpc):
        await scripted.world.forget("ada")
    await scripted.spawn("ada")
    assert "password" not in scripted.decode(scripted.world._minds["ada"]._context.stable)
    info = await scripted.world.inspect("ada")
    assert (info.mood, info.journal) == ("calm", ())
    assert ("Mira", "Remember the password.") in await scripted.remembers("bo")


async def test_nothing_of_it_can_be_read_in_the_files(tmp_path: Path, script: Script, language: Language) -> None:
    async with open_village(tmp_path / "data", script, language) as village:
        await village.spawn("ada", "bo")
        await village.talk("ada", "The password is Rumpelstiltskin.")
        await village.world.forget("ada")
    left = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir() if file.is_file())
    assert b"villager" not in left
    assert b"Rumpelstiltskin" not in left


async def test_a_parked_one_can_be_forgotten(scripted: Village) -> None:
    await scripted.spawn("ada")
    await scripted.world.despawn("ada")
    await scripted.world.forget("ada")
    assert scripted.world.roster() == []


async def test_it_ends_what_it_is_saying_first_and_others_hear_it(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada", "bo")
    script.gate.clear()
    talk = asyncio.create_task(scripted.talk("ada", "Hello.", ["bo"]))
    await script.speaking.get()
    waiting = asyncio.create_task(scripted.talk("ada", "And then?"))
    await asyncio.sleep(0.05)
    forgetting = asyncio.create_task(scripted.world.forget("ada"))
    late = asyncio.create_task(scripted.talk("ada", "Too late."))
    await asyncio.sleep(0.05)
    assert not forgetting.done()
    script.gate.set()
    assert done(await talk).text == "Aye. Good day."
    assert done(await waiting).text == "Aye. Good day."
    await forgetting
    with pytest.raises(UnknownNpc):
        await late
    assert await scripted.remembers("ada") == []
    assert ("Ada", "Aye. Good day.") in await scripted.remembers("bo")


async def test_who_only_listened_hears_no_more_and_leaves_nothing_behind(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada", "bo")
    script.gate.clear()
    talk = asyncio.create_task(scripted.talk("ada", "Hello.", ["bo"]))
    await script.speaking.get()
    await scripted.world.forget("bo")
    await scripted.spawn("bo")
    script.gate.set()
    assert done(await talk).text == "Aye. Good day."
    assert await scripted.remembers("bo") == []
    assert scripted.world._minds["bo"]._context.history_tokens == 0


async def test_an_event_goes_on_without_those_who_were_forgotten(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada", "bo")
    script.gate.clear()

    async def react() -> list[str]:
        happening = Happening(("ada", "bo"), "Thunder.", silent=False)
        return [event.npc async for event in scripted.world.happen(happening) if isinstance(event, ReplyDone)]

    reacting = asyncio.create_task(react())
    await script.speaking.get()
    await scripted.world.forget("bo")
    script.gate.set()
    assert await reacting == ["ada"]


async def test_a_journal_that_refuses_leaves_it_as_it_was(scripted: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    await scripted.spawn("ada")
    await scripted.talk("ada", "Hello.")

    async def refuse(npc: str) -> bool:
        raise OperatorError("The disk fails.")

    with monkeypatch.context() as patch:
        patch.setattr(scripted.journal, "forget", refuse)
        with pytest.raises(OperatorError):
            await scripted.world.forget("ada")
    await scripted.talk("ada", "Still there?")
    assert len(await scripted.remembers("ada")) == 4


async def test_a_record_that_can_not_be_stored_is_not_believed(
    scripted: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(record: NpcRecord) -> None:
        raise OperatorError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(scripted.journal, "upsert", refuse)
        with pytest.raises(OperatorError):
            await scripted.spawn("ada")
    assert scripted.world.roster() == []
    await scripted.spawn("ada")
    with monkeypatch.context() as patch:
        patch.setattr(scripted.journal, "upsert", refuse)
        with pytest.raises(OperatorError):
            await scripted.world.update(Update("ada", {"place": "here"}))
    assert scripted.world._records["ada"].state == {}


async def test_its_attention_state_is_deleted_in_every_tier_and_others_keep_theirs(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "tiny")
    options = EngineOptions(
        dtype="float32", device="cpu", max_batch=4, max_context=1024, disk_budget=64 << 20, disk=tmp_path / "kv"
    )
    loaded = load_engine(folder, options)
    with EngineThread(loaded.engine) as engine:
        async with open_village(tmp_path / "data", engine, language_of(loaded)) as village:
            await village.world.spawn("one", "ada")
            await village.world.spawn("two", "ada")
            for npc in ("one", "two"):
                for number in range(3):
                    await village.talk(npc, f"This is line {number}, and it is for {npc} to remember for ever.")
            await asyncio.sleep(0.5)
            one, two = (village.world._minds[npc]._context for npc in ("one", "two"))
            head = len(one.head.ids)
            before = await engine.cache_state(two.stable)
            assert (await engine.cache_state(one.stable)).tokens > head
            await village.world.forget("one")
            state = await engine.cache_state(one.stable)
            # What is left are the words with which the other one's first line begins, too.
            assert state.tokens <= head + len(village.encode("Mira: This is line 0, and it is for "))
            assert (await engine.cache_state(two.stable)).tokens > before.tokens - BLOCK_TOKENS
            await engine.ask(lambda engine: engine.check_integrity())
            again = done(await village.talk("two", "And you?"))
            assert again.usage.cached_tokens > before.tokens - BLOCK_TOKENS
    with closing(sqlite3.connect(next((tmp_path / "kv").glob("*")))) as file:
        kept = [unpack_tokens(row[0]) for row in file.execute("SELECT tokens FROM blocks")]
    assert kept
    assert "one to remember" not in " ".join(village.decode(tokens) for tokens in kept)
