"""What a message must look like, and what its sender is told when it doesn't."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from bridge import protocol
from bridge.protocol import ANSWER_TYPES, REQUEST_TYPES, Error, Say, Speaker, read_answer, read_request
from bridge.protocol.generate.schema import json_schema

SAY: dict[str, Any] = {
    "type": "say",
    "id": 1,
    "npc": "greta",
    "speaker": {"id": "p1", "name": "Mira"},
    "text": "Hello",
}


def refused(**message: Any) -> Error:
    answer = read_request(message)
    assert isinstance(answer, Error)
    return answer


def test_a_line_has_sensible_defaults() -> None:
    say = read_request(SAY)
    assert say == Say(id=1, npc="greta", speaker=Speaker(id="p1", name="Mira", kind="player"), text="Hello")
    assert (say.hearers, say.priority, say.deadline_ms, say.max_tokens) == ([], "player", None, None)


def test_unknown_fields_are_ignored() -> None:
    assert read_request({**SAY, "gesture": ["wave"], "speaker": {"id": "p1", "height": 2}}) == Say(
        id=1, npc="greta", speaker=Speaker(id="p1"), text="Hello"
    )


@pytest.mark.parametrize("id", [0, -5, 2**63 - 1, "a", "x" * 128, 7.0])
def test_ids_are_strings_or_integers(id: float | str) -> None:
    say = read_request({**SAY, "id": id})
    assert isinstance(say, Say)
    assert say.id == id
    assert not isinstance(say.id, float)


@pytest.mark.parametrize("id", [True, 1.5, 2**63, "", "x" * 129, [], {}, b"a", "\ud800"])
def test_other_ids_are_refused(id: object) -> None:
    error = refused(**{**SAY, "id": id})
    assert (error.code, error.path, error.re) == ("bad_message", "id", None)
    assert "`id`: expected a" in error.message


def test_whole_numbers_may_be_written_either_way() -> None:
    say = read_request({**SAY, "max_tokens": 40.0, "deadline_ms": 900.0})
    assert isinstance(say, Say)
    assert (say.max_tokens, say.deadline_ms) == (40, 900)
    assert isinstance(say.max_tokens, int)
    event = read_request({"type": "event", "id": 1.0, "hearers": ["a"], "text": "thunder", "salience": 1})
    assert isinstance(event, protocol.Event)
    assert event.salience == 1.0


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"speaker": {"id": "p", "name": 1}}, "speaker.name", "`speaker.name`: expected a string, got an integer (1)"),
        ({"speaker": "Mira"}, "speaker", "`speaker`: expected a map, got 'Mira'; it is who speaks: {id, name, kind}."),
        ({"speaker": {"name": "Mira"}}, "speaker.id", "`speaker.id` is missing; it is the speaker's id in the game"),
        ({"speaker": {"id": "p1", "kind": "god"}}, "speaker.kind", "expected 'player', 'npc' or 'system', got 'god'"),
        ({"hearers": ["tom", 5]}, "hearers[1]", "`hearers[1]`: expected a string, got an integer (5)"),
        ({"hearers": "tom"}, "hearers", "expected a list, got 'tom'"),
        ({"text": ""}, "text", "`text`: expected at least 1 character"),
        ({"text": " \n\t\u3000"}, "text", "`text`: expected more than white space"),
        ({"text": b"abc"}, "text", "expected a string, got binary data"),
        ({"text": None}, "text", "expected a string, got nothing"),
        ({"npc": "x" * 200}, "npc", "expected at most 128 characters, got a string of 200 characters"),
        ({"max_tokens": -1}, "max_tokens", "expected 0 or more, got an integer (-1)"),
        ({"max_tokens": 1.5}, "max_tokens", "expected an integer, got a number (1.5)"),
        ({"max_tokens": "40"}, "max_tokens", "expected an integer, got '40'"),
        ({"max_tokens": True}, "max_tokens", "expected an integer, got true"),
        ({"priority": "vip"}, "priority", "expected 'player', 'ambient' or 'idle', got 'vip'"),
        ({"text": 1, "npc": 2}, "npc", "Wrong too: `text`."),
    ],
)  # fmt: skip
def test_errors_name_the_place_the_problem_and_the_cure(change: dict[str, Any], path: str, says: str) -> None:
    error = refused(**{**SAY, **change})
    assert (error.code, error.path, error.re) == ("bad_message", path, 1)
    assert says in error.message


@pytest.mark.parametrize("field", ["id", "npc", "speaker", "text"])
def test_missing_fields_are_named_and_explained(field: str) -> None:
    error = refused(**{name: value for name, value in SAY.items() if name != field})
    assert error.path == field
    assert f"`{field}` is missing; it is " in error.message


def test_salience_and_silence_are_checked() -> None:
    event = {"type": "event", "id": 1, "hearers": ["a"], "text": "thunder"}
    assert "expected 1 or less" in refused(**event, salience=2).message
    assert "expected true or false" in refused(**event, silent="no").message
    assert "expected more than white space" in refused(**{**event, "text": "  "}).message
    assert "at least 1 entry" in refused(**{**event, "hearers": []}).message


def test_variables_are_strings() -> None:
    error = refused(type="npc.spawn", id=1, npc="a", persona="b", vars={"age": 5})
    assert error.path == "vars.age"


def test_a_budget_names_a_tier_and_no_negative_size() -> None:
    error = refused(type="budget", id=1)
    assert (error.code, error.path) == ("bad_message", None)
    assert error.message == "Expected one of `device_bytes`, `ram_bytes`, `disk_bytes`, `tokens_per_second`."
    error = refused(type="budget", id=1, ram_bytes=-1)
    assert (error.path, "expected 0 or more" in error.message) == ("ram_bytes", True)


def test_a_hint_names_somebody_and_when() -> None:
    hint = {"type": "hint", "id": 1, "npcs": ["greta"], "eta_ms": 0}
    assert read_request(hint) == protocol.Hint(id=1, npcs=["greta"], eta_ms=0)
    assert refused(**{**hint, "npcs": []}).path == "npcs"
    assert refused(**{**hint, "npcs": ["greta", ""]}).path == "npcs[1]"
    assert refused(**{**hint, "eta_ms": -1}).path == "eta_ms"


def test_an_update_says_something() -> None:
    update = {"type": "npc.update", "id": 1, "npc": "greta"}
    assert refused(**update).message == "Expected `state`, `mood` or `relationships`."
    told = read_request({**update, "mood": "angry", "relationships": {"tom": {"trust": -2.0}, "mira": None}})
    tom = protocol.Relationship(trust=-2)
    assert told == protocol.NpcUpdate(id=1, npc="greta", mood="angry", relationships={"tom": tom, "mira": None})


def test_facts_are_plain_and_null_takes_one_away() -> None:
    state = {"place": "the forge", "health": 3.0, "warmth": 0.5, "armed": True, "holds": ["a hammer"], "wound": None}
    told = read_request({"type": "npc.update", "id": 1, "npc": "greta", "state": state})
    assert isinstance(told, protocol.NpcUpdate)
    assert told.to_wire()["state"] == {**state, "health": 3}


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"state": {"place": b"x"}}, "state.place", "expected a string, a number, true or false, a list of strings"),
        ({"state": {"holds": ["axe", 1]}}, "state.holds", "a list of strings, or null, got a list"),
        ({"state": {"gold": 2**63}}, "state.gold", "expected a string, a number"),
        ({"state": {"": 1}}, "state", "a key of `state`: expected at least 1 character, got ''; it is the facts"),
        ({"mood": 1, "state": {"": 1}}, "state", "Wrong too: `mood`."),
        ({"mood": 1}, "mood", "`mood`: expected a string, got an integer (1); it is its mood from now on"),
        ({"relationships": {"tom": {"trust": 6}}}, "relationships.tom.trust", "expected 5 or less, got an integer (6)"),
        ({"relationships": {"tom": {"trust": 6}}}, "relationships.tom.trust", "it is from -5, a sworn enemy"),
    ],
)  # fmt: skip
def test_wrong_news_are_explained(change: dict[str, Any], path: str, says: str) -> None:
    error = refused(type="npc.update", id=1, npc="greta", **change)
    assert (error.code, error.path) == ("bad_message", path)
    assert says in error.message


WAVE: dict[str, Any] = {"name": "wave", "description": "Wave at somebody.", "schema": {"type": "object"}}


@pytest.mark.parametrize("scope", [{"npc": "greta"}, {"persona": "smith"}, {"all": True}, {"npc": "a", "all": False}])
def test_actions_are_for_an_npc_a_persona_or_all(scope: dict[str, Any]) -> None:
    message = {"type": "actions.register", "id": 1, "scope": scope, "actions": [WAVE]}
    told = read_request(message)
    assert isinstance(told, protocol.ActionsRegister)
    assert told.actions[0].json_schema == {"type": "object"}
    assert told.to_wire() == message


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        ({"scope": {}}, "scope", "expected exactly one of `npc`, `persona` and `all`: true, got an empty map; it is"),
        ({"scope": {"npc": "a", "persona": "b"}}, "scope", "expected exactly one of"),
        ({"scope": {"all": False}}, "scope", "expected exactly one of"),
        ({"scope": "all"}, "scope", "expected a map, got 'all'; it is whose they are: {npc}, {persona} or {all: true}"),
        ({"actions": []}, "actions", "expected at least 1 entry"),
        ({"actions": [{**WAVE, "name": "wave at"}]}, "actions[0].name", "letters from a to z, digits and _ - . : /"),
        ({"actions": [{**WAVE, "name": "x" * 65}]}, "actions[0].name", "expected at most 64 characters"),
        ({"actions": [{"name": "wave"}]}, "actions[0].description", "is missing; it is what it does and when"),
        ({"actions": [{**WAVE, "description": "x" * 1025}]}, "actions[0].description", "at most 1024 characters"),
        ({"actions": [{**WAVE, "schema": "object"}]}, "actions[0].schema", "expected a map, got 'object'"),
        ({"actions": [{**WAVE, "schema": {"x": {"list": [b""]}}}]}, "actions[0].schema.x", "without binary data"),
    ],
)  # fmt: skip
def test_wrong_actions_are_explained(change: dict[str, Any], path: str, says: str) -> None:
    error = refused(**{"type": "actions.register", "id": 1, "scope": {"all": True}, "actions": [WAVE], **change})
    assert (error.code, error.path) == ("bad_message", path)
    assert says in error.message


def test_a_line_may_allow_some_actions_or_none() -> None:
    for names in ([], ["wave", "shop:sell"]):
        say = read_request({**SAY, "actions": names})
        assert isinstance(say, Say)
        assert say.actions == names
    assert refused(**SAY, actions=["wave at"]).path == "actions[0]"


def test_a_decision_needs_a_schema_and_may_be_null() -> None:
    decide = {"type": "decide", "id": 1, "npc": "greta", "question": "Fight or flee?"}
    assert "`schema` is missing; it is a JSON Schema" in refused(**decide).message
    told = read_request({**decide, "schema": {"enum": ["fight", None]}})
    assert isinstance(told, protocol.Decide)
    assert told.to_wire()["schema"] == {"enum": ["fight", None]}
    decided = protocol.Decided(re=1, value=None)
    assert decided.to_wire() == {"type": "decided", "re": 1, "value": None}
    assert read_answer(decided.to_wire()) == decided


def test_a_lost_session_is_named_with_what_arrived_of_it() -> None:
    hello = {"type": "hello", "protocol": 1, "client": {"name": "test"}}
    told = read_request({**hello, "resume": {"session": "ab", "last_seq": 7.0}})
    assert isinstance(told, protocol.Hello)
    assert told.resume == protocol.Resume(session="ab", last_seq=7)
    error = refused(**hello, resume={"session": "ab", "last_seq": -1})
    assert (error.path, "expected 0 or more" in error.message) == ("resume.last_seq", True)


def test_topics_that_there_are_not_yet_are_told_which_there_are() -> None:
    error = refused(type="subscribe", id=1, topics=["stats", "scene"])
    assert (error.code, error.path) == ("bad_message", "topics[1]")
    assert "expected 'stats', 'npc' or 'log', got 'scene'; it is what to be told about" in error.message


def test_an_unknown_type_is_told_the_nearest_one() -> None:
    error = refused(type="npc.spwan", id=4)
    assert (error.code, error.path, error.re) == ("unknown_type", "type", 4)
    assert "Did you mean 'npc.spawn'?" in error.message
    assert "npc.spawn, npc.despawn" in refused(type="xyzzy").message
    assert len(refused(type="y" * 5000).message) < 300


def test_a_message_without_a_type_is_told_so() -> None:
    assert refused(id=4).message.startswith("`type` is missing")
    assert "expected a string" in refused(type=5).message


def test_every_message_has_its_own_type() -> None:
    assert set(REQUEST_TYPES) == {
        "hello", "npc.spawn", "npc.despawn", "npc.list", "npc.inspect", "say", "event", "cancel", "ping",
        "hint", "budget", "stats", "subscribe", "npc.forget", "npc.update",
        "actions.register", "actions.unregister", "action.result", "decide",
    }  # fmt: skip
    assert set(ANSWER_TYPES) == {
        "welcome", "ok", "pong", "npc.listing", "npc.info", "reply.start", "reply.delta", "reply.sentence",
        "reply.action", "reply.done", "decided", "memory.compacted", "stats", "npc.changed", "log", "error", "bye",
    }  # fmt: skip


@pytest.mark.parametrize("union", [protocol.ClientMessage, protocol.ServerMessage])
def test_schemas_for_other_languages_can_be_generated(union: Any) -> None:
    schema = TypeAdapter(union).json_schema()
    assert schema["discriminator"]["propertyName"] == "type"


def test_every_field_of_every_message_and_part_says_what_it_is() -> None:
    definitions = json_schema()["$defs"]
    for name, definition in definitions.items():
        assert definition.get("description"), name
        for field, about in definition.get("properties", {}).items():
            assert field == "type" or about.get("description"), f"{name}.{field}"


def test_clients_ignore_answers_of_later_versions() -> None:
    assert read_answer({"type": "scene.line", "npc": "greta"}) is None
    assert read_answer({"type": "ok", "re": 1, "seq": 2, "mood": "new"}) == protocol.Ok(re=1, seq=2)


def test_what_is_not_set_does_not_travel() -> None:
    assert protocol.Ok(re=1).to_wire() == {"type": "ok", "re": 1}
