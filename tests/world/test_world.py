"""What a world promises to everyone in it."""

import asyncio
import contextlib
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from npc_engine.errors import DeadlinePassed, LimitExceeded, NpcEngineError, UnknownNpc, UnknownPersona
from npc_engine.inference.request import FinishReason
from npc_engine.world.events import Happening, ReplyDelta, ReplyDone, ReplyEvent, ReplySentence, ReplyStarted
from npc_engine.world.homes import nearest
from tests.village import NAMES, Overheard, Script, Village, done, said


@pytest.fixture(autouse=True)
async def in_time():
    async with asyncio.timeout(20):
        yield


async def finish(*talks: "asyncio.Task[list[ReplyEvent]]") -> list[list[ReplyEvent]]:
    return await asyncio.gather(*talks)


async def test_a_reply_starts_then_grows_then_ends(village: Village) -> None:
    await village.spawn("ada")
    events = await village.talk("ada", "Good day.")
    kinds = [type(event) for event in events]
    assert kinds[0] is ReplyStarted
    assert kinds[-1] is ReplyDone
    assert said(events) == done(events).text != ""
    assert kinds.index(ReplyDelta) < kinds.index(ReplyDone)
    assert done(events).usage.completion_tokens == 8


async def test_the_line_is_on_disk_before_the_first_event(scripted: Village, script: Script, tmp_path: Path) -> None:
    await scripted.spawn("ada", "bo")
    async with aclosing(scripted.say("ada", "Is it late?", ["bo"])) as events:
        assert await anext(events) == ReplyStarted("ada")
        with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as other:
            stored = other.execute("SELECT npc, text FROM entry ORDER BY npc").fetchall()
    assert stored == [("ada", "Is it late?"), ("bo", "Is it late?")]


async def test_hearers_hear_line_and_answer_and_nobody_else_does(scripted: Village) -> None:
    await scripted.spawn("ada", "bo", "cleo")
    await scripted.talk("ada", "Is it late?", ["bo", "bo", "ada"])
    both = [("Mira", "Is it late?"), ("Ada", "Aye. Good day.")]
    assert await scripted.remembers("ada") == both
    assert await scripted.remembers("bo") == both
    assert await scripted.remembers("cleo") == []


async def test_no_prompt_ever_holds_what_its_npc_did_not_hear(village: Village, overheard: Overheard) -> None:
    npcs = [name.lower() for name in NAMES]
    secrets = {npc: f"zq{number}x{number}qz" for number, npc in enumerate(npcs)}
    hears = {npc: {npc} for npc in npcs}
    hears["bo"].add("ada")  # Bo stands beside Ada, and Dag beside Cleo
    hears["dag"].add("cleo")
    await village.spawn(*npcs)

    async def tell(npc: str) -> None:
        beside = [other for other in npcs if other != npc and npc in hears[other]]
        for _ in range(2):
            await village.talk(npc, f"The word is {secrets[npc]}!", beside)

    await asyncio.gather(*map(tell, npcs))
    prompts: dict[str, list[str]] = {npc: [] for npc in npcs}
    for request in overheard.requests:
        text = village.decode(request.prompt)
        (whose,) = [name.lower() for name in NAMES if f"You are {name}," in text]
        prompts[whose].append(text)
    for npc in npcs:
        last = prompts[npc][-1]
        told = {other for other in npcs if any(secrets[other] in text for text in prompts[npc])}
        assert told == hears[npc]
        assert secrets[npc] in last


async def test_prompts_of_one_npc_extend_each_other(village: Village, overheard: Overheard) -> None:
    await village.spawn("ada")
    for line in ("One.", "Two.", "Three."):
        await village.talk("ada", line)
    first, second, third = (request.prompt for request in overheard.answers)
    assert second[: len(first)] == first
    assert third[: len(second)] == second


async def test_a_busy_npc_takes_in_what_it_overhears_after_its_answer(
    scripted: Village, script: Script, tmp_path: Path
) -> None:
    await scripted.spawn("ada", "bo")
    script.gate.clear()
    busy = asyncio.create_task(scripted.talk("ada", "Tell me a tale."))
    await script.speaking.get()
    beside = asyncio.create_task(scripted.talk("bo", "Is she busy?", ["ada"]))
    await script.speaking.get()
    script.gate.set()
    await finish(busy, beside)
    info = await scripted.world.inspect("ada")
    assert {entry.text for entry in info.journal} == {"Tell me a tale.", "Aye. Good day.", "Is she busy?"}
    context = scripted.decode(scripted.world._minds["ada"]._context.stable)
    assert context.index("tale") < context.index("Ada: Aye") < context.index("Is she busy") < context.index("Bo: Aye")


async def test_two_who_hear_each_other_at_once_both_answer(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada", "bo")
    script.gate.clear()
    talks = [
        asyncio.create_task(scripted.talk("ada", "To Ada.", ["bo"])),
        asyncio.create_task(scripted.talk("bo", "To Bo.", ["ada"])),
    ]
    for _ in talks:
        await script.speaking.get()
    script.gate.set()
    assert [done(events).text for events in await finish(*talks)] == ["Aye. Good day."] * 2
    assert sorted(await scripted.remembers("ada")) == sorted(await scripted.remembers("bo"))


async def test_an_npc_answers_one_line_after_the_other(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada")
    lines = [f"Line {number}" for number in range(4)]
    await asyncio.gather(*(scripted.talk("ada", line) for line in lines))
    texts = [text for _, text in await scripted.remembers("ada")]
    assert texts[0::2] == lines
    assert texts[1::2] == ["Aye. Good day."] * 4


async def test_what_was_said_before_a_cancel_stays_said_and_heard(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada", "bo")
    script.gate.clear()
    async with aclosing(scripted.say("ada", "Tell me a tale.", ["bo"])) as events:
        async for event in events:
            if isinstance(event, ReplyDelta):
                break
    assert script.closed == [await script.speaking.get()]
    assert await scripted.remembers("ada") == [("Mira", "Tell me a tale."), ("Ada", "Aye.")]
    assert await scripted.remembers("bo") == [("Mira", "Tell me a tale."), ("Ada", "Aye.")]
    script.gate.set()
    assert done(await scripted.talk("ada", "Go on.")).text == "Aye. Good day."


@pytest.mark.parametrize("step", range(12))
async def test_a_cancel_at_any_moment_leaves_mind_and_journal_agreed(village: Village, step: int) -> None:
    await village.spawn("ada", "bo")
    talk = asyncio.create_task(village.talk("ada", "Good day.", ["bo"]))
    await asyncio.sleep(0.002 * step)
    for _ in range(2):  # a client that leaves, and then a server that closes
        talk.cancel()
        await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError):
        await talk
    await village.talk("ada", "Are you there?", ["bo"])
    for npc in ("ada", "bo"):
        context = village.decode(village.world._minds[npc]._context.stable)
        entries = await village.remembers(npc)
        assert context.count("Mira:") == sum(speaker == "Mira" for speaker, _ in entries)
        assert context.count("Ada:") == sum(speaker == "Ada" for speaker, _ in entries)


async def test_a_reader_that_never_reads_holds_up_nobody(scripted: Village) -> None:
    await scripted.spawn("ada", "bo")
    stuck = scripted.say("ada", "Good day.", ["bo"])
    await anext(stuck)
    assert done(await scripted.talk("bo", "Is she busy?", ["ada"])).text
    assert done(await scripted.talk("ada", "And now?")).text
    rest = [event async for event in stuck]
    assert done(rest).text == "Aye. Good day."


async def test_a_reply_without_words_ends_and_is_not_remembered(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada")
    script.replies["Good day"] = ""
    events = await scripted.talk("ada", "Good day.")
    assert [type(event) for event in events] == [ReplyStarted, ReplyDone]
    assert await scripted.remembers("ada") == [("Mira", "Good day.")]
    assert done(await scripted.talk("ada", "Nothing to say?")).text == "Aye. Good day."


async def test_sentences_come_whole(scripted: Village) -> None:
    await scripted.spawn("ada")
    events = await scripted.talk("ada", "Good day.")
    assert [event.text for event in events if isinstance(event, ReplySentence)] == ["Aye.", "Good day."]


async def test_nobody_speaks_for_the_player_or_another(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada", "bo")
    script.replies = {"a tale": "Well. Mira: And then? Bo: I know!", "again": "Bo: I do.", "more": "Well.\nEve: Hm!"}
    assert done(await scripted.talk("ada", "Tell me a tale.", ["bo"])).text == "Well."
    assert done(await scripted.talk("ada", "Say it again.", ["bo"])).text == ""
    assert done(await scripted.talk("ada", "Tell me more.")).text == "Well."


async def test_an_npc_that_was_despawned_is_not_spoken_to_and_hears_nothing(scripted: Village) -> None:
    await scripted.spawn("ada", "bo")
    await scripted.talk("ada", "Good day.")
    await scripted.world.despawn("ada")
    with pytest.raises(UnknownNpc, match=r"despawned\. Send npc\.spawn"):
        await scripted.talk("ada", "Still here?")
    with pytest.raises(UnknownNpc):
        await scripted.talk("bo", "Is she here?", ["ada"])
    assert [(npc.npc, npc.active) for npc in scripted.world.roster()] == [("ada", False), ("bo", True)]
    assert await scripted.remembers("bo") == []
    await scripted.spawn("ada")
    assert len(scripted.world._minds["ada"]._context.stable) > len(scripted.world._minds["ada"]._context.head.ids)
    assert (await scripted.remembers("ada"))[-1] == ("Ada", "Aye. Good day.")


async def test_one_that_leaves_and_returns_while_it_speaks_knows_what_it_said(
    scripted: Village, script: Script
) -> None:
    await scripted.spawn("ada")
    script.gate.clear()
    talk = asyncio.create_task(scripted.talk("ada", "Tell me a tale."))
    await script.speaking.get()
    waiting = asyncio.create_task(scripted.talk("ada", "And then?"))
    await asyncio.sleep(0.01)
    await scripted.world.despawn("ada")
    script.gate.set()
    await talk
    with pytest.raises(UnknownNpc):
        await waiting
    await scripted.spawn("ada")
    assert "Ada: Aye" in scripted.decode(scripted.world._minds["ada"]._context.stable)
    assert await scripted.remembers("ada") == [("Mira", "Tell me a tale."), ("Ada", "Aye. Good day.")]


async def test_one_that_becomes_another_while_it_speaks_ends_its_sentence_and_remembers(
    scripted: Village, script: Script
) -> None:
    await scripted.spawn("ada")
    script.gate.clear()
    talk = asyncio.create_task(scripted.talk("ada", "Tell me a tale."))
    await script.speaking.get()
    waiting = asyncio.create_task(scripted.talk("ada", "And then?"))
    become = asyncio.create_task(scripted.world.spawn("ada", "eve"))
    await asyncio.sleep(0.01)
    assert not become.done()
    script.gate.set()
    await finish(talk, waiting)
    assert (await become).name == "Eve"
    context = scripted.decode(scripted.world._minds["ada"]._context.stable)
    assert "You are Eve" in context
    assert [word in context for word in ("tale", "And then", "Aye")] == [True] * 3
    assert done(await scripted.talk("ada", "Who are you?")).text


async def test_spawning_twice_changes_nothing(scripted: Village) -> None:
    await scripted.spawn("ada")
    await scripted.talk("ada", "Good day.")
    mind = scripted.world._minds["ada"]
    await scripted.spawn("ada")
    assert scripted.world._minds["ada"] is mind
    assert len(scripted.world.roster()) == 1


async def test_a_silent_event_is_remembered_and_an_open_one_is_answered(scripted: Village) -> None:
    await scripted.spawn("ada", "bo", "cleo")
    silent = [event async for event in scripted.world.happen(Happening(("ada", "bo"), "A *bell* rings."))]
    assert silent == []
    loud = scripted.world.happen(Happening(("ada", "bo"), "Thunder.", silent=False))
    replies = [event.npc for event in [event async for event in loud] if isinstance(event, ReplyDone)]
    assert replies == ["ada", "bo"]
    texts = ["A *bell* rings.", "Thunder.", "Aye. Good day.", "Aye. Good day."]
    assert [text for _, text in await scripted.remembers("ada")] == texts
    assert [text for _, text in await scripted.remembers("bo")] == texts
    assert await scripted.remembers("cleo") == []
    context = scripted.decode(scripted.world._minds["ada"]._context.stable)
    assert "*A *bell* rings.*\n*Thunder.*" in context


async def test_a_witness_that_leaves_while_others_speak_holds_up_nobody(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada", "bo", "cleo")
    script.gate.clear()
    loud = scripted.world.happen(Happening(("ada", "bo", "cleo"), "Thunder.", silent=False))
    first = await anext(loud)
    await scripted.world.despawn("bo")
    script.gate.set()
    replies = [event.npc for event in [first, *[event async for event in loud]] if isinstance(event, ReplyDone)]
    assert replies == ["ada", "cleo"]


async def test_who_is_unknown_is_said_with_a_guess(scripted: Village) -> None:
    await scripted.spawn("ada")
    with pytest.raises(UnknownNpc, match="Did you mean 'ada'"):
        await scripted.talk("adda", "Hello?")
    with pytest.raises(UnknownNpc, match=r"Send npc\.spawn"):
        await scripted.world.inspect("zz")
    with pytest.raises(UnknownPersona, match="Did you mean 'cleo'"):
        await scripted.world.spawn("c", "clio")
    with pytest.raises(UnknownPersona, match="Did you mean 'cleo'"):
        await scripted.world.spawn("c", "CLEO")
    with pytest.raises(UnknownPersona, match="Known are: ada, bo, cleo"):
        await scripted.world.spawn("c", "zzzz")
    with pytest.raises(UnknownPersona, match="Loaded are: hollow"):
        await scripted.world.spawn("c", "ada", world="elsewhere")
    with pytest.raises(UnknownNpc):
        await scripted.talk("ada", "Hello?", ["nobody"])
    assert await scripted.remembers("ada") == []


def test_who_is_meant_is_found_by_id_and_by_name_in_any_case() -> None:
    names = {"greta": "Greta Ironhand", "tom": "Tom Miller", "straße": "S"}
    for word, meant in {
        "Greta Ironhand": "greta",
        "GRETA": "greta",
        "tom miler": "tom",
        "Strasse": "straße",
        "zz": None,
    }.items():
        assert nearest(word, names) == meant


async def test_a_line_that_is_too_long_is_refused_before_anyone_hears_it(village: Village) -> None:
    await village.spawn("ada", "bo")
    with pytest.raises(LimitExceeded, match=r"Ada can take in \d+ at once\. Send less text"):
        await village.talk("ada", "word " * 2000, ["bo"])
    with pytest.raises(LimitExceeded):
        [event async for event in village.world.happen(Happening(("bo",), "word " * 2000))]
    assert await village.remembers("ada") == await village.remembers("bo") == []


@pytest.mark.parametrize("max_tokens", [None, 1, 100_000])
async def test_the_longest_line_that_is_taken_is_answered(village: Village, max_tokens: int | None) -> None:
    await village.spawn("ada")
    mind, text = village.world._minds["ada"], "a"
    with contextlib.suppress(LimitExceeded):
        while True:
            mind.check_length("Mira", text + " the well a")
            text += " the well a"
    events = await village.talk("ada", text, max_tokens=max_tokens)
    assert done(events).finish in {FinishReason.LENGTH, FinishReason.STOP}


async def test_a_passed_deadline_is_an_error_and_the_line_stays(village: Village) -> None:
    await village.spawn("ada")
    async with village.world._minds["ada"].turn:
        talk = asyncio.create_task(village.talk("ada", "Quick!", deadline_ms=1))
        await asyncio.sleep(0.01)
    with pytest.raises(DeadlinePassed):
        await talk
    assert await village.remembers("ada") == [("Mira", "Quick!")]
    assert done(await village.talk("ada", "Take your time.")).text


async def test_a_failing_engine_is_an_error_and_what_was_said_stays(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada")
    script.finish, script.error = FinishReason.ERROR, "out of memory"
    with pytest.raises(NpcEngineError, match="out of memory"):
        await scripted.talk("ada", "Good day.")
    assert await scripted.remembers("ada") == [("Mira", "Good day."), ("Ada", "Aye. Good day.")]
    script.finish = FinishReason.STOP
    assert done(await scripted.talk("ada", "Better?")).text == "Aye. Good day."


async def test_facts_of_one_turn_are_in_no_later_prompt(village: Village, overheard: Overheard) -> None:
    await village.spawn("ada")
    await village.talk("ada", "Where is the well?")
    await village.talk("ada", "Oh.")
    first, second = (village.decode(request.prompt) for request in overheard.answers)
    assert "(You know: The well is dry.)\nMira: Where is the well?" in first
    assert "The well is dry" not in second


async def test_inspect_tells_what_an_npc_is_made_of(village: Village) -> None:
    await village.spawn("ada")
    await village.talk("ada", "Good day.")
    info = await village.world.inspect("ada")
    assert (info.name, info.persona, info.active, info.mood) == ("Ada", "ada", True, "calm")
    assert [entry.speaker for entry in info.journal] == ["Mira", "Ada"]
    assert info.tokens["history"] > 0
    assert info.kv.nbytes > 0
    assert info.kv.tokens > 0
    assert info.kv.tier == "ram"


async def test_closing_ends_the_talks_and_keeps_what_was_said(scripted: Village, script: Script) -> None:
    await scripted.spawn("ada")
    script.gate.clear()
    talk = asyncio.create_task(scripted.talk("ada", "Tell me a tale."))
    await script.speaking.get()
    await scripted.world.close()
    with pytest.raises(asyncio.CancelledError):
        await talk
    assert await scripted.remembers("ada") == [("Mira", "Tell me a tale."), ("Ada", "Aye.")]
