"""Claims about NPCs that are asked for deeds and not for words."""

import jsonschema
import pytest

from npc_engine.inference.request import FinishReason, Request
from npc_engine.mind.actions import filled, present
from npc_engine.world.actions import ActionBook, Offers, Scope
from npc_engine.world.events import Happening, ReplyAction, ReplyDone, ReplyEvent, ReplyStarted, Update
from tests.village import Overheard, Script, Village, done
from tests.world.test_actions import FACTS, FLEE, GIVE, LINES

ASKED = "Run for your life!"
HATED = {"p1": {"trust": -5, "note": "burnt your house down"}}


@pytest.fixture
def offers() -> Offers:
    book = ActionBook()
    book.register(Scope(), [FLEE])
    return Offers(book)


@pytest.fixture
def script(script: Script) -> Script:
    """Whatever is said is best explained by who wants someone to flee. Who hates is less willing than who doesn't."""

    def likelihood(text: str) -> float:
        wanted = 5.0 * ("to run away from danger." in text)
        unwilling = 1.0 * ("You hate Mira" in text and text.endswith(("I will.", "I will", "Gladly.")))
        return wanted - unwilling

    script.likelihood = likelihood
    return script


def spoken(script: Script) -> list[Request]:
    """The requests that were for words."""
    return [request for request in script.requests if request.sampling.max_tokens]


def names(events: list[ReplyEvent]) -> list[str]:
    return [event.name for event in events if isinstance(event, ReplyAction)]


async def test_what_is_asked_is_done_and_nothing_is_said(scripted: Village, script: Script, offers: Offers) -> None:
    await scripted.spawn("ada", "bo")
    started, acted, ended = await scripted.talk("ada", ASKED, ["bo"], max_tokens=0, offers=offers)
    assert isinstance(started, ReplyStarted)
    assert isinstance(acted, ReplyAction)
    assert isinstance(ended, ReplyDone)
    assert (acted.name, ended.text, ended.finish) == ("flee", "", FinishReason.LENGTH)
    assert not spoken(script)
    assert await scripted.remembers("ada") == await scripted.remembers("bo") == [("Mira", ASKED)]


async def test_the_next_answer_knows_what_was_done(scripted: Village, script: Script, offers: Offers) -> None:
    await scripted.spawn("ada")
    for call in await scripted.talk("ada", ASKED, max_tokens=0, offers=offers):
        if isinstance(call, ReplyAction):
            await scripted.world.result(call.call, ok=True, message="She is safe.")
    await scripted.talk("ada", "Why are you out of breath?")
    prompt = scripted.decode(spoken(script)[-1].prompt)
    assert f"Mira: {ASKED}\n*Ada: flee was done. She is safe.*\nMira: Why are you out of breath?" in prompt


async def test_who_is_less_willing_than_usual_does_not_do_it(scripted: Village, offers: Offers) -> None:
    await scripted.spawn("ada")
    await scripted.world.update(Update("ada", relationships=HATED))
    events = await scripted.talk("ada", ASKED, max_tokens=0, offers=offers)
    assert [type(event) for event in events] == [ReplyStarted, ReplyDone]
    await scripted.world.update(Update("ada", relationships={"p1": None}))
    assert names(await scripted.talk("ada", ASKED, max_tokens=0, offers=offers)) == ["flee"]


async def test_words_tell_whether_who_speaks_will(scripted: Village, offers: Offers) -> None:
    await scripted.spawn("ada")
    await scripted.world.update(Update("ada", relationships=HATED))
    assert names(await scripted.talk("ada", ASKED, offers=offers)) == ["flee"]


async def test_who_can_do_nothing_only_listens(scripted: Village, script: Script, offers: Offers) -> None:
    await scripted.spawn("ada")
    for nothing in (Offers(), Offers(offers.book, ())):
        events = await scripted.talk("ada", ASKED, max_tokens=0, offers=nothing)
        assert [type(event) for event in events] == [ReplyStarted, ReplyDone]
    assert not spoken(script)
    assert await scripted.remembers("ada") == 2 * [("Mira", ASKED)]


async def test_what_happens_can_be_reacted_to_without_words_and_asks_nobody(
    scripted: Village, script: Script, offers: Offers
) -> None:
    await scripted.spawn("ada", "bo")
    await scripted.world.update(Update("ada", relationships=HATED))
    happening = Happening(("ada", "bo"), "A wolf howls.", silent=False, max_tokens=0, offers=offers)
    events = [event async for event in scripted.world.happen(happening)]
    assert [(type(event), event.npc) for event in events] == [
        (kind, npc) for npc in ("ada", "bo") for kind in (ReplyStarted, ReplyAction, ReplyDone)
    ]
    assert not spoken(script)


async def test_random_weights_do_only_what_is_valid(village: Village) -> None:
    book = ActionBook()
    book.register(Scope(), [GIVE, FLEE])
    schema = filled(GIVE.schema, present(["Mira"], FACTS))
    assert schema is not None
    found: list[str] = []
    for npc in ("bo", "cleo"):
        await village.spawn(npc)
        await village.world.update(Update(npc, FACTS))
        for line in LINES:
            events = await village.talk(npc, line, max_tokens=0, offers=Offers(book))
            assert (done(events).text, done(events).usage.completion_tokens) == ("", 0)
            for deed in (event for event in events if isinstance(event, ReplyAction)):
                jsonschema.validate(dict(deed.args), dict(schema) if deed.name == "give_item" else {"maxProperties": 0})
                found.append(deed.name)
        assert [text for _, text in await village.remembers(npc)] == LINES
    assert found


async def test_what_was_read_of_the_line_is_not_read_again_to_find_out_who_will(
    village: Village, overheard: Overheard
) -> None:
    await village.spawn("ada")
    book = ActionBook()
    book.register(Scope(), [FLEE])
    for line in LINES:
        await village.talk("ada", line, max_tokens=0, offers=Offers(book))
    read = {request.prompt for request in overheard.requests if not request.scored}
    weighed = [request for request in overheard.requests if request.prompt[: -request.scored] in read]
    assert weighed
    for request in weighed:
        # Whole blocks of 64 tokens are kept.
        assert overheard.usage[request.id].cached_tokens >= (len(request.prompt) - request.scored) // 64 * 64
