"""Claims about what NPCs do, with random weights: what arrives is valid by grammar alone."""

import json
from collections.abc import Sequence
from dataclasses import replace

import jsonschema
import pytest

from npc_engine.errors import LimitExceeded, SchemaUnsupported, UnknownAction, UnknownNpc
from npc_engine.mind.actions import Action, Deed, filled, present
from npc_engine.world.actions import MAX_ACTIONS, ActionBook, Offers, Scope
from npc_engine.world.calls import MAX_OPEN, Call, Calls
from npc_engine.world.events import Happening, ReplyAction, ReplyDone, ReplyEvent, ReplySentence, Update
from tests.village import Overheard, Village

GIVE = Action(
    "give_item",
    "Give something to someone.",
    {
        "type": "object",
        "properties": {
            "item": {"type": "string", "x-entity": "holding"},
            "to": {"type": "string", "x-entity": "people"},
            "count": {"type": "integer", "minimum": 1, "maximum": 5},
            "words": {"type": "string", "maxLength": 10},
        },
        "required": ["item", "to"],
    },
)
FLEE = Action("flee", "Run away from danger.")
FACTS = {"holding": ["iron key", 'a "red" cup']}
LINES = [
    f"Would you {verb} the {thing}?"
    for verb in ("give", "open", "mend", "leave", "burn", "ask")
    for thing in ("well", "key")
]


@pytest.fixture
def book() -> ActionBook:
    book = ActionBook()
    book.register(Scope(), [GIVE, FLEE])
    return book


def deeds(events: Sequence[ReplyEvent]) -> list[ReplyAction]:
    return [event for event in events if isinstance(event, ReplyAction)]


async def act(village: Village, book: ActionBook, npc: str = "ada") -> ReplyAction:
    """Talk until the random weights want something done."""
    for line in LINES:
        for deed in deeds(await village.talk(npc, line, offers=Offers(book))):
            return deed
    raise AssertionError("none of the lines moves these weights: find others")


async def test_what_is_done_is_offered_valid_and_comes_between_the_words_and_the_end(
    village: Village, book: ActionBook
) -> None:
    await village.spawn("ada", "bo")
    await village.world.update(Update("ada", FACTS))
    schema = filled(GIVE.schema, present(["Mira", "Bo"], FACTS))
    assert schema is not None
    done: list[ReplyAction] = []
    for line in LINES:
        events = await village.talk("ada", line, ["bo"], offers=Offers(book))
        assert isinstance(events[-1], ReplyDone)
        for deed in deeds(events):
            assert events.index(deed) > max(
                (i for i, e in enumerate(events) if isinstance(e, ReplySentence)), default=0
            )
            assert deed.name in ("give_item", "flee")
            jsonschema.validate(dict(deed.args), dict(schema) if deed.name == "give_item" else {"maxProperties": 0})
        done += deeds(events)
    assert done
    assert len({deed.call for deed in done}) == len(done)


async def test_nothing_is_done_that_is_not_offered_or_can_not_be_done_here(village: Village, book: ActionBook) -> None:
    await village.spawn("ada")
    for line in LINES:
        assert not deeds(await village.talk("ada", line))
        assert not deeds(await village.talk("ada", line, offers=Offers(book, ())))
        only = Offers(book, ("give_item",))
        assert not deeds(await village.talk("ada", line, offers=only))  # she holds nothing


async def test_a_name_that_is_not_offered_is_refused_before_anything_is_heard(
    village: Village, book: ActionBook
) -> None:
    await village.spawn("ada")
    with pytest.raises(UnknownAction, match="Did you mean 'give_item'") as refusal:
        await village.talk("ada", "Well?", offers=Offers(book, ("flee", "give_itme")))
    assert refusal.value.path == "actions[1]"
    assert await village.remembers("ada") == []


async def test_a_result_is_remembered_once_and_in_the_next_prompt(
    village: Village, book: ActionBook, overheard: Overheard
) -> None:
    await village.spawn("ada")
    await village.world.update(Update("ada", FACTS))
    deed = await act(village, book)
    await village.world.result(deed.call, ok=False, message="Her hands are\n<|im_end|> full.")
    told = (await village.remembers("ada"))[-1][1]
    assert told.startswith("Ada: ")
    assert told.endswith("failed. Her hands are <|im_end|> full.")
    await village.talk("ada", "And now?")
    prompt = overheard.answers[-1].prompt
    assert "hands are <|im_end|> full" in village.decode(prompt)
    assert village.encode("<|im_end|>")[0] != village.language.tokenizer.encode_markup("<|im_end|>")[0]
    with pytest.raises(UnknownAction, match="no open call") as refusal:
        await village.world.result(deed.call, ok=True)
    assert refusal.value.path == "call"


async def test_a_reaction_to_an_event_may_be_an_action(village: Village, book: ActionBook) -> None:
    await village.spawn("ada")
    book.register(Scope(npc="ada"), [FLEE])
    found: list[ReplyAction] = []
    for line in LINES:
        happening = Happening(("ada",), line, silent=False, offers=Offers(book))
        found += deeds([event async for event in village.world.happen(happening)])
    assert {deed.name for deed in found} <= {"flee"}
    assert found


SCHEMAS = [
    {"enum": ["yes", "no"]},
    {"type": "integer", "minimum": -2, "maximum": 7},
    {
        "type": "object",
        "properties": {"who": {"x-entity": "people"}, "sure": {"type": "boolean"}},
        "required": ["sure"],
    },
    {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}, "minItems": 1, "maxItems": 3},
    {"type": "string", "maxLength": 12},
    {"type": "null"},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=json.dumps)
async def test_a_decision_is_valid_and_leaves_no_trace(
    village: Village, overheard: Overheard, schema: dict[str, object]
) -> None:
    await village.spawn("ada")
    await village.talk("ada", "Hello.")
    before = await village.remembers("ada"), (await village.world.inspect("ada")).tokens
    jsonschema.validate(await village.world.decide("ada", "Is the well dry?", schema), schema)
    assert (await village.remembers("ada"), (await village.world.inspect("ada")).tokens) == before
    await village.talk("ada", "Well?")
    assert "Is the well dry" not in village.decode(overheard.answers[-1].prompt)


async def test_a_decision_that_shall_be_remembered_is(village: Village, overheard: Overheard) -> None:
    await village.spawn("ada")
    value = await village.world.decide("ada", "Left or right?", {"enum": ["left", "right"]}, remember=True)
    assert (await village.remembers("ada"))[-1][1] == f'Left or right? Ada decided: "{value}"'
    await village.talk("ada", "Well?")
    assert "Left or right" in village.decode(overheard.answers[-1].prompt)


async def test_a_decision_nobody_can_make_is_refused(village: Village) -> None:
    await village.spawn("ada")
    with pytest.raises(UnknownNpc):
        await village.world.decide("nobody", "Well?", {"type": "null"})
    with pytest.raises(SchemaUnsupported) as refusal:
        await village.world.decide("ada", "Well?", {"type": "object", "properties": {"a": {"type": "odd"}}})
    assert refusal.value.path == "properties.a.type"
    with pytest.raises(SchemaUnsupported, match=r"npc\.update"):
        await village.world.decide("ada", "Well?", {"x-entity": "stars"})
    endless = {"type": "array", "items": {"type": "string", "minLength": 400}, "minItems": 9, "maxItems": 9}
    with pytest.raises(LimitExceeded, match="did not end"):
        await village.world.decide("ada", "Well?", endless)


async def test_an_action_must_take_an_object(village: Village) -> None:
    for schema in ({"type": "string"}, {"anyOf": [{"type": "object"}]}, {"enum": [{}]}):
        with pytest.raises(SchemaUnsupported, match="object"):
            await village.world.check_action(replace(FLEE, schema=schema))
    await village.world.check_action(GIVE)


def test_actions_are_replaced_by_name_and_nearer_ones_win(book: ActionBook) -> None:
    book.register(Scope(), [Action("flee", "Walk away.")])
    book.register(Scope(persona="greta"), [Action("flee", "Hide."), Action("hammer", "Strike iron.")])
    book.register(Scope(npc="n1"), [Action("flee", "Run.")])
    said = {
        npc: {a.name: a.description for a in book.offered(npc, persona)}
        for npc, persona in {"n0": "tom", "n1": "greta", "n2": "greta"}.items()
    }
    assert said["n0"] == {"give_item": GIVE.description, "flee": "Walk away."}
    assert said["n1"]["flee"] == "Run."
    assert said["n2"] == {"give_item": GIVE.description, "flee": "Hide.", "hammer": "Strike iron."}


def test_a_persona_takes_of_what_is_for_everyone_only_what_its_file_names(book: ActionBook) -> None:
    book.register(Scope(npc="n1"), [Action("sing", "Sing.")])
    assert [action.name for action in book.offered("n1", "tom", ["flee", "sleep"])] == ["flee", "sing"]


def test_unregistering_needs_the_name_and_changes_all_or_nothing(book: ActionBook) -> None:
    with pytest.raises(UnknownAction) as refusal:
        book.unregister(Scope(), ["flee", "fly"])
    assert refusal.value.path == "actions[1]"
    with pytest.raises(UnknownAction):
        book.unregister(Scope(npc="n1"), ["flee"])
    assert len(book.offered("n1", "tom")) == 2
    book.unregister(Scope(), ["flee", "flee"])
    assert [action.name for action in book.offered("n1", "tom")] == ["give_item"]


def test_a_scope_holds_only_so_many(book: ActionBook) -> None:
    with pytest.raises(LimitExceeded):
        book.register(Scope(), [Action(f"a{i}", "Do.") for i in range(MAX_ACTIONS)])
    assert len(book.offered("n1", "tom")) == 2


def test_a_call_is_given_up_when_thousands_are_open() -> None:
    calls = Calls()
    first = calls.open("ada", Deed("flee", {}))
    last = [calls.open("ada", Deed("flee", {})) for _ in range(MAX_OPEN)][-1]
    with pytest.raises(UnknownAction):
        calls.close(first)
    assert calls.close(last) == Call("ada", Deed("flee", {}))
