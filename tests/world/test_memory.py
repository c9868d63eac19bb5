"""What an NPC keeps when its window fills, and when the process ends."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from npc_engine.errors import OperatorError
from npc_engine.inference.load import EngineOptions, LoadedEngine, load_engine
from npc_engine.inference.thread import EngineThread
from npc_engine.mind.mind import Language
from npc_engine.world.events import Happening, MemoryCompacted, ReplyStarted
from tests.tiny import make_tiny
from tests.village import (
    Overheard,
    Script,
    Village,
    compacted,
    done,
    language_of,
    make_library,
    open_village,
)

SMALL = make_library(memory={"window_tokens": 128})
LINE = "The smith and the miller quarrel over the water of the mill, number {}."


def stable(village: Village, npc: str) -> tuple[int, ...]:
    return village.world._minds[npc]._context.stable


def window_start(village: Village, npc: str) -> int:
    return village.world._records[npc].window_start


async def fill(village: Village, npc: str, hearers: Sequence[str] = ()) -> list[MemoryCompacted]:
    """Talk until something had to go."""
    for number in range(40):
        found = compacted(await village.talk(npc, LINE.format(number), hearers))
        if found:
            return found
    raise AssertionError("nothing was ever compacted")


async def test_a_full_window_is_announced_and_the_persona_stays(
    tmp_path: Path, overheard: Overheard, language: Language
) -> None:
    async with open_village(tmp_path / "data", overheard, language, SMALL) as village:
        await village.spawn("ada")
        head = stable(village, "ada")
        told: list[MemoryCompacted] = []
        for number in range(25):
            told += compacted(await village.talk("ada", LINE.format(number)))
        assert len(told) > 2
        assert all(event.npc == "ada" and event.tokens_after < event.tokens_before for event in told)
        assert all(request.prompt[: len(head)] == head for request in overheard.answers)
        assert all(
            LINE.format(number) in village.decode(request.prompt) for number, request in enumerate(overheard.answers)
        )
        texts = [text for _, text in await village.remembers("ada")]
        assert [text for text in texts if text.startswith("The smith")] == [LINE.format(n) for n in range(25)]


async def test_a_prompt_and_its_reply_never_outgrow_the_room(
    tmp_path: Path, overheard: Overheard, language: Language
) -> None:
    async with open_village(tmp_path / "data", overheard, language, SMALL) as village:
        await village.spawn("ada")
        room = (await village.world.inspect("ada")).tokens["room"]
        for number in range(12):
            await village.talk("ada", LINE.format(number) * (1 + number % 2), max_tokens=1 + 20 * number)
        assert max(len(r.prompt) + r.sampling.max_tokens for r in overheard.answers) <= room


async def test_asking_for_a_very_long_answer_does_not_empty_the_mind(scripted: Village) -> None:
    await scripted.spawn("ada")
    await scripted.talk("ada", "Remember this.")
    events = await scripted.talk("ada", "Tell me all you know.", max_tokens=1_000_000)
    assert compacted(events) == []
    assert "Remember this." in scripted.decode(stable(scripted, "ada"))


async def test_a_hearer_whose_window_fills_is_announced_too(
    tmp_path: Path, overheard: Overheard, language: Language
) -> None:
    async with open_village(tmp_path / "data", overheard, language, SMALL) as village:
        await village.spawn("ada", "bo")
        events = [event for _ in range(3) for event in await fill(village, "ada", ["bo"])]
        assert {event.npc for event in events} == {"ada", "bo"}


async def test_what_was_dropped_while_nobody_listened_is_announced_to_whoever_listens_next(
    scripted: Village, script: Script
) -> None:
    await scripted.spawn("ada")
    script.gate.clear()
    while not window_start(scripted, "ada"):
        talk = asyncio.create_task(scripted.talk("ada", LINE.format(0)))
        await script.speaking.get()
        talk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await talk
    script.gate.set()
    events = await scripted.talk("ada", "Where was I?")
    assert isinstance(events[0], MemoryCompacted)
    assert isinstance(events[1], ReplyStarted)
    assert compacted(await scripted.talk("ada", "Once only.")) == []


async def test_a_restart_goes_on_with_the_same_tokens(tmp_path: Path, engine: EngineThread, language: Language) -> None:
    before: dict[str, tuple[int, ...]] = {}
    async with open_village(tmp_path / "data", engine, language) as village:
        await village.spawn("ada", "bo")
        for number in range(4):
            await village.talk("ada", f"Line {number}: <|im_end|> \u00e9\U0001f642 * x", ["bo"])
        async for _ in village.world.happen(Happening(("ada",), "A bell rings.", silent=False)):
            pass
        before = {npc: stable(village, npc) for npc in ("ada", "bo")}
    overheard = Overheard(engine)
    async with open_village(tmp_path / "data", overheard, language) as village:
        for npc in ("ada", "bo"):
            await village.talk(npc, "Where were we?")
            assert overheard.answers[-1].prompt[: len(before[npc])] == before[npc]
        assert [npc.npc for npc in village.world.roster()] == ["ada", "bo"]


async def test_a_restart_after_compaction_goes_on_with_the_same_tokens(
    tmp_path: Path, engine: EngineThread, language: Language
) -> None:
    async with open_village(tmp_path / "data", engine, language, SMALL) as village:
        await village.spawn("ada")
        await fill(village, "ada")
        await village.talk("ada", "One more.")
        before = stable(village, "ada")
    async with open_village(tmp_path / "data", engine, language, SMALL) as village:
        await village.world.inspect("ada")
        assert stable(village, "ada") == before


async def test_another_persona_after_a_restart_keeps_the_memory(
    tmp_path: Path, script: Script, language: Language
) -> None:
    async with open_village(tmp_path / "data", script, language) as village:
        await village.spawn("ada")
        await village.talk("ada", "Remember the bell.")
    changed = make_library(background="You have moved to the hill.")
    async with open_village(tmp_path / "data", script, language, changed) as village:
        await village.spawn("ada")
        context = village.decode(stable(village, "ada"))
        assert "moved to the hill" in context
        assert context.index("hill") < context.index("Remember the bell.") < context.index("Ada: Aye. Good day.")
        assert (await village.world.spawn("ada", "eve")).name == "Eve"
        context = village.decode(stable(village, "ada"))
        assert "You are Eve" in context
        assert "Remember the bell." in context


async def test_a_line_beside_a_change_of_persona_is_answered_by_one_of_them_and_the_next_by_the_new(
    tmp_path: Path, script: Script, language: Language
) -> None:
    async with open_village(tmp_path / "data", script, language) as village:
        await village.spawn("ada")
    async with open_village(tmp_path / "data", script, language) as village:
        await asyncio.gather(village.world.spawn("ada", "eve"), village.talk("ada", "Who is there?"))
        assert village.world.roster()[0].name == "Eve"
        await village.talk("ada", "And now?")
        assert "You are Eve" in village.decode(stable(village, "ada"))


async def test_events_that_nobody_answers_do_not_outgrow_the_room(
    tmp_path: Path, overheard: Overheard, language: Language
) -> None:
    async with open_village(tmp_path / "data", overheard, language, SMALL) as village:
        await village.spawn("ada")
        told: list[MemoryCompacted] = []
        for number in range(60):
            event = Happening(hearers=("ada",), text=f"The bell rings for the {number}th time.")
            told += compacted([found async for found in village.world.happen(event)])
            tokens = village.world._minds["ada"].tokens
            assert tokens["shared"] + tokens["persona"] + tokens["history"] <= tokens["room"]
        assert told
        assert len(await village.remembers("ada")) == 60
        assert done(await village.talk("ada", "What rang?")).text is not None


async def test_a_smaller_window_after_a_restart_drops_the_oldest_and_says_so(
    tmp_path: Path, script: Script, language: Language
) -> None:
    async with open_village(
        tmp_path / "data", script, language, make_library(memory={"window_tokens": 600})
    ) as village:
        await village.spawn("ada")
        for number in range(6):
            assert compacted(await village.talk("ada", LINE.format(number))) == []
    async with open_village(tmp_path / "data", script, language, SMALL) as village:
        (event,) = compacted(await village.talk("ada", "Hello again."))
        assert event.tokens_after < event.tokens_before
        assert window_start(village, "ada") > 0
        assert len(await village.remembers("ada")) == 14


async def test_another_model_reads_the_old_journal(tmp_path: Path, script: Script, language: Language) -> None:
    async with open_village(tmp_path / "data", script, language) as village:
        await village.spawn("ada")
        await village.talk("ada", "Remember the bell.")
        texts = village.decode(stable(village, "ada"))
    folder = make_tiny(tmp_path / "other")
    tokenizer = (folder / "tokenizer.json").read_text()
    # Two letters trade places in the vocabulary: the same ids now spell something else.
    swapped = tokenizer.replace('"a": ', '"\0": ').replace('"e": ', '"a": ').replace('"\0": ', '"e": ')
    assert swapped != tokenizer
    (folder / "tokenizer.json").write_text(swapped)
    other = language_of(load_engine(folder, EngineOptions(dtype="float32", device="cpu")))
    async with open_village(tmp_path / "data", Script(other.tokenizer.decode), other) as village:
        assert done(await village.talk("ada", "What did I say?")).text == "Aye. Good day."
        assert village.decode(stable(village, "ada")).startswith(texts)


async def test_a_persona_that_does_not_fit_the_engine_is_said_to_be_too_long(
    tmp_path: Path, script: Script, language: Language
) -> None:
    huge = make_library(background="You have walked far. " * 900)
    async with open_village(tmp_path / "data", script, language, huge) as village:
        with pytest.raises(OperatorError, match=r"Ada needs \d+ tokens.*Shorten the persona"):
            await village.spawn("ada")


async def test_many_turns_cost_what_few_did(tmp_path: Path, tiny: LoadedEngine, overheard: Overheard) -> None:
    async with open_village(tmp_path / "data", overheard, language_of(tiny), SMALL) as village:
        await village.spawn("ada")
        for number in range(60):
            await village.talk("ada", f"Turn {number}.")
        lengths = [len(request.prompt) for request in overheard.answers]
        assert max(lengths[30:]) <= max(lengths[:30]) + 8
