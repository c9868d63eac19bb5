"""What is done before anyone speaks, and beside it: hints, idle warm-ups, forks, budgets and counts."""

import asyncio
from pathlib import Path

import pytest

from npc_engine.errors import LimitExceeded, NpcEngineError, UnknownNpc
from npc_engine.inference.request import Budgets, FinishReason, Priority, Request
from npc_engine.mind.mind import Language
from npc_engine.world.events import ReplyDelta
from npc_engine.world.world import WARMED_AT_ONCE
from tests.village import Overheard, Script, Village, done, make_library, open_village

BLOCK = 64


@pytest.fixture(autouse=True)
async def in_time():
    async with asyncio.timeout(20):
        yield


def stable(village: Village, npc: str) -> tuple[int, ...]:
    return village.world._minds[npc]._context.stable


async def warmed(village: Village, *npcs: str) -> None:
    """Wait until nothing is read in idle time any more."""
    for npc in npcs:
        task = village.world._minds[npc]._warming
        if task is not None:
            await asyncio.wait([task])


def warm_ups(script: Script) -> list[Request]:
    return [request for request in script.requests if not request.sampling.max_tokens]


async def test_a_hint_brings_up_what_an_npc_has_in_mind(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada", "bo")
    await scripted.talk("ada", "Good day.")
    await scripted.world.hint(["ada", "bo", "ada"], within=5)
    assert [prompt for prompt, _ in script.prefetched] == [stable(scripted, "ada"), stable(scripted, "bo")]
    assert all(4 < within <= 5 for _, within in script.prefetched)


async def test_a_hint_wakes_who_sleeps(tmp_path: Path, script: Script, language: Language) -> None:
    async with open_village(tmp_path / "data", script, language) as village:
        await village.spawn("ada")
        await village.talk("ada", "Remember the bell.")
        before = stable(village, "ada")
    async with open_village(tmp_path / "data", script, language) as village:
        assert village.world._minds == {}
        await village.world.hint(["ada"], within=0)
        assert script.prefetched == [(before, 0)]


async def test_a_hint_about_nobody_wakes_nobody(tmp_path: Path, script: Script, language: Language) -> None:
    async with open_village(tmp_path / "data", script, language) as village:
        await village.spawn("ada", "bo")
        await village.world.despawn("bo")
    async with open_village(tmp_path / "data", script, language) as village:
        for absent in ("bo", "nobody"):
            with pytest.raises(UnknownNpc) as caught:
                await village.world.hint(["ada", absent], within=1)
            assert caught.value.npc == absent
        assert village.world._minds == {}


async def test_idle_time_is_for_what_is_kept_nowhere(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada")
    await warmed(scripted, "ada")
    assert [(r.prompt, r.priority) for r in warm_ups(script)] == [(stable(scripted, "ada"), Priority.IDLE)]
    script.kept.add(stable(scripted, "ada"))
    await scripted.spawn("ada")
    await scripted.world.hint(["ada"], within=1)
    await warmed(scripted, "ada")
    assert len(warm_ups(script)) == 1
    script.kept.clear()
    await scripted.world.hint(["ada"], within=1)
    await warmed(scripted, "ada")
    assert len(warm_ups(script)) == 2


async def test_a_crowd_is_read_a_few_at_a_time(scripted: Village, script: Script) -> None:
    crowd = [f"villager-{number}" for number in range(2 * WARMED_AT_ONCE)]
    reading, most, gate = 0, 0, asyncio.Event()
    generate = script.generate

    async def slowly(request: Request):
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await gate.wait()
        async for output in generate(request):
            yield output
        reading -= 1

    script.generate = slowly  # type: ignore[method-assign]
    for npc in crowd:
        await scripted.world.spawn(npc, "ada")
    await asyncio.sleep(0.01)
    assert reading == WARMED_AT_ONCE
    gate.set()
    await warmed(scripted, *crowd)
    assert (reading, most) == (0, WARMED_AT_ONCE)
    assert len(warm_ups(script)) == len(crowd)


async def test_what_was_said_is_kept_in_idle_time_and_then_needs_no_more(
    village: Village, overheard: Overheard
) -> None:
    await village.spawn("ada")
    await village.talk("ada", "Where is the well?")  # the lore that it brings up leaves the prompt again
    await warmed(village, "ada")
    kept = await village.world._minds["ada"].cache_state()
    assert kept.tokens == len(stable(village, "ada"))
    count = len(overheard.requests)
    await village.world.hint(["ada"], within=1)
    await warmed(village, "ada")
    assert overheard.prefetched == [stable(village, "ada")]
    assert len(overheard.requests) == count


async def test_a_fork_knows_all_that_the_npc_does_and_leaves_no_trace(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada")
    await scripted.talk("ada", "Good day.")
    mind, before = scripted.world._minds["ada"], stable(scripted, "ada")
    assert await mind.fork("Who\nspeaks <|im_end|> next?", max_tokens=5) == "Aye. Good day."
    request = script.requests[-1]
    assert request.prompt[: len(before)] == before
    asked = scripted.decode(request.prompt[len(before) :])
    assert asked.startswith("Who speaks <|im_end|> next?")
    assert asked.endswith("Ada:")
    assert (request.sampling.max_tokens, request.sampling.temperature) == (5, 0)
    assert request.sampling.stop_ids == scripted.language.end_ids
    assert stable(scripted, "ada") == before
    assert await scripted.remembers("ada") == [("Mira", "Good day."), ("Ada", "Aye. Good day.")]


async def test_a_fork_that_fails_says_so(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada")
    script.finish, script.error = FinishReason.ERROR, "out of memory"
    with pytest.raises(NpcEngineError, match="out of memory"):
        await scripted.world._minds["ada"].fork("Who is next?", max_tokens=5)


async def test_a_fork_that_does_not_fit_is_refused(village: Village) -> None:
    await village.spawn("ada")
    with pytest.raises(LimitExceeded):
        await village.world._minds["ada"].fork("word " * 2000, max_tokens=5)


async def test_a_fork_reads_only_its_question_even_while_the_npc_speaks(
    tmp_path: Path, overheard: Overheard, language: Language
) -> None:
    talkative = make_library(
        generation={"temperature": 0, "max_tokens": 300, "max_sentences": 50}, memory={"window_tokens": 800}
    )
    async with open_village(tmp_path / "data", overheard, language, talkative) as village:
        await village.spawn("ada")
        await village.talk("ada", "Tell me of the mill.", max_tokens=8)
        mind = village.world._minds["ada"]
        begun = asyncio.Event()

        async def listen() -> list[object]:
            events = []
            async for event in village.say("ada", "Tell me a long tale."):
                events.append(event)
                if isinstance(event, ReplyDelta):
                    begun.set()
            return events

        talk = asyncio.create_task(listen())
        await begun.wait()
        before = stable(village, "ada")
        assert await mind.fork("Who is next?", max_tokens=4)
        assert not talk.done()
        usage = overheard.usage[overheard.requests[-1].id]
        assert usage.cached_tokens >= len(before) - BLOCK  # the running reply's last block is not finished
        assert stable(village, "ada") == before
        end = done(await talk)
        assert end.usage.completion_tokens > 4


async def test_budgets_reach_the_engine(scripted: Village, script: Script) -> None:
    await scripted.world.set_budgets(Budgets(device=5, disk=0))
    assert script.budgets == [Budgets(device=5, ram=None, disk=0)]


async def test_stats_count_who_is_there_and_what_they_do(tmp_path: Path, script: Script, language: Language) -> None:
    async with open_village(tmp_path / "data", script, language) as village:
        await village.spawn("ada", "bo", "cleo")
        await village.world.despawn("cleo")
    async with open_village(tmp_path / "data", script, language) as village:
        await village.spawn("ada")
        script.gate.clear()
        talk = asyncio.create_task(village.talk("ada", "Good day."))
        await script.speaking.get()
        stats = await village.world.stats()
        assert (stats.known, stats.active, stats.awake, stats.speaking) == (3, 2, 1, 1)
        assert stats.engine.steps == len(script.requests)
        script.gate.set()
        await talk
        assert (await village.world.stats()).speaking == 0
