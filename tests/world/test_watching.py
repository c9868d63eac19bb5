"""Whoever watches a world is told what becomes of its NPCs, whoever caused it, and not what anyone said."""

import asyncio
from contextlib import aclosing

import pytest

from npc_engine.errors import LimitExceeded, OperatorError, UnknownMood, UnknownNpc
from npc_engine.store import NpcRecord
from npc_engine.world.events import Happening, NpcChanged, ReplyDelta, Update
from tests.village import Script, Village


@pytest.fixture(autouse=True)
async def in_time():
    async with asyncio.timeout(20):
        yield


@pytest.fixture
async def told(scripted: Village) -> list[NpcChanged]:
    told: list[NpcChanged] = []
    scripted.world.watch(told.append)
    return told


def briefly(told: list[NpcChanged]) -> list[tuple[str, str, bool]]:
    """Who, what, and whether it is in the game; what was looked at is forgotten."""
    brief = [(change.summary.npc, change.what, change.summary.active) for change in told]
    told.clear()
    return brief


async def refuse(record: NpcRecord) -> None:
    raise OperatorError("The disk is full.")


async def test_an_npc_comes_changes_speaks_leaves_and_is_forgotten(scripted: Village, told: list[NpcChanged]) -> None:
    await scripted.spawn("ada")
    await scripted.world.update(Update("ada", mood="angry"))
    await scripted.talk("ada", "Good day.")
    [spawned, updated, spoke] = told
    assert (spawned.what, spawned.mood) == ("spawned", "calm")
    assert (updated.what, updated.mood) == ("updated", "angry")
    assert (spoke.what, spoke.mood) == ("spoke", "angry")
    assert spoke.summary == scripted.world.roster()[0]
    told.clear()
    await scripted.world.despawn("ada")
    await scripted.spawn("ada")
    await scripted.world.forget("ada")
    assert briefly(told) == [("ada", "despawned", False), ("ada", "spawned", True), ("ada", "forgotten", False)]


async def test_what_changes_nothing_is_not_told(scripted: Village, told: list[NpcChanged]) -> None:
    await scripted.spawn("ada", "ada")
    update = Update("ada", {"place": "the mill"}, relationships={"bo": {"trust": 2}})
    await scripted.world.update(update)
    await scripted.world.update(update)
    await scripted.world.despawn("ada")
    await scripted.world.despawn("ada")
    await scripted.world.inspect("ada")
    assert [what for _, what, _ in briefly(told)] == ["spawned", "updated", "despawned"]


async def test_another_persona_under_the_same_id_has_come(scripted: Village, told: list[NpcChanged]) -> None:
    await scripted.spawn("ada")
    await scripted.world.spawn("ada", "bo")
    assert [(change.what, change.summary.name) for change in told] == [("spawned", "Ada"), ("spawned", "Bo")]


async def test_who_is_refused_has_not_changed(scripted: Village, told: list[NpcChanged]) -> None:
    await scripted.spawn("ada")
    told.clear()
    for refused, refusal in (
        (scripted.world.update(Update("ada", mood="hungry")), UnknownMood),
        (scripted.world.update(Update("ada", {"story": "word " * 500})), LimitExceeded),
        (scripted.world.despawn("nobody"), UnknownNpc),
        (scripted.world.forget("nobody"), UnknownNpc),
    ):
        with pytest.raises(refusal):
            await refused
    assert told == []


async def test_what_can_not_be_stored_is_taken_back_and_that_is_told(
    scripted: Village, told: list[NpcChanged], monkeypatch: pytest.MonkeyPatch
) -> None:
    await scripted.spawn("bo")
    told.clear()
    monkeypatch.setattr(scripted.journal, "upsert", refuse)
    monkeypatch.setattr(scripted.journal, "forget", refuse)
    for refused in (
        scripted.spawn("ada"),
        scripted.world.update(Update("bo", mood="angry")),
        scripted.world.despawn("bo"),
        scripted.world.forget("bo"),
    ):
        with pytest.raises(OperatorError):
            await refused
    assert [(change.mood, what) for change, (_, what, _) in zip(tuple(told), briefly(told), strict=True)] == [
        ("calm", "spawned"), ("calm", "forgotten"),
        ("angry", "updated"), ("calm", "updated"),
        ("calm", "despawned"), ("calm", "spawned"),
        ("calm", "forgotten"), ("calm", "spawned"),
    ]  # fmt: skip
    assert [npc.npc for npc in scripted.world.roster()] == ["bo"]
    assert (await scripted.world.inspect("bo")).mood == "calm"


async def test_an_update_holds_when_it_is_told(scripted: Village) -> None:
    await scripted.spawn("ada")
    looks: list[asyncio.Task[object]] = []
    scripted.world.watch(lambda change: looks.append(asyncio.create_task(scripted.world.inspect("ada"))))
    await scripted.world.update(Update("ada", mood="angry", relationships={"bo": {"trust": -3}}))
    [look] = looks
    info = await look
    assert (info.mood, info.relationships["bo"]["trust"]) == ("angry", -3)


async def test_a_change_that_was_cancelled_while_it_was_stored_is_told(
    scripted: Village, told: list[NpcChanged], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(record: NpcRecord) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(scripted.journal, "upsert", never)
    spawning = asyncio.create_task(scripted.spawn("ada"))
    while not told:
        await asyncio.sleep(0)
    spawning.cancel()
    await asyncio.gather(spawning, return_exceptions=True)
    assert briefly(told) == [("ada", "spawned", True)]
    assert [npc.npc for npc in scripted.world.roster()] == ["ada"]


async def test_that_it_spoke_is_told_once_and_what_was_said_is_not(scripted: Village, told: list[NpcChanged]) -> None:
    await scripted.spawn("ada", "bo", "cleo")
    told.clear()
    await scripted.talk("ada", "The password is Rumpelstiltskin.", ["bo"])
    async for _ in scripted.world.happen(Happening(("bo", "cleo"), "Thunder.", silent=False)):
        pass
    async for _ in scripted.world.happen(Happening(("bo", "cleo"), "Thunder.")):
        pass
    for secret in ("Rumpelstiltskin", "Aye", "Thunder"):
        assert secret not in repr(told)
    assert [(npc, what) for npc, what, _ in briefly(told)] == [("ada", "spoke"), ("bo", "spoke"), ("cleo", "spoke")]


async def test_who_was_cut_short_has_spoken(scripted: Village, script: Script, told: list[NpcChanged]) -> None:
    await scripted.spawn("ada")
    told.clear()
    script.gate.clear()
    async with aclosing(scripted.say("ada", "Tell me a tale.")) as events:
        async for event in events:
            if isinstance(event, ReplyDelta):
                break
    assert briefly(told) == [("ada", "spoke", True)]


async def test_who_says_nothing_has_not_spoken(scripted: Village, script: Script, told: list[NpcChanged]) -> None:
    await scripted.spawn("ada")
    told.clear()
    script.replies["tale"] = ""
    await scripted.talk("ada", "Tell me a tale.")
    assert told == []


async def test_everyone_is_told_until_they_have_had_enough_whatever_becomes_of_others(
    scripted: Village, told: list[NpcChanged], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(change: NpcChanged) -> None:
        raise ZeroDivisionError

    scripted.world.watch(fail)
    twice = [scripted.world.watch(told.append), scripted.world.watch(told.append)]
    await scripted.spawn("ada")
    assert len(briefly(told)) == 3
    assert "one who watches failed" in caplog.text
    for stop in (twice[0], twice[0]):
        stop()
    await scripted.spawn("bo")
    assert len(briefly(told)) == 2
