"""One game without sockets: what is to be done next, whatever the game sends and in which order."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.neuro.game import MAX_TRIES, Choice, Decide, Game, Remember
from bridge.neuro.messages import MAX_ACTIONS, BadMessage, read

JUMP = {"name": "jump", "description": "Jump.", "schema": None}
PLAY = {"name": "play", "description": "Play a card.", "schema": {"type": "object", "properties": {"card": {}}}}


def tell(game: Game, command: str, **data: Any) -> None:
    game.receive(read(json.dumps({"command": command, "game": "Chess", "data": data})))


def started(*actions: dict[str, Any]) -> Game:
    game = Game()
    tell(game, "startup")
    if actions:
        tell(game, "actions/register", actions=list(actions))
    return game


def force(game: Game, *names: str, **data: Any) -> None:
    tell(game, "actions/force", query="Your turn.", action_names=list(names), **data)


def learned(game: Game) -> list[str]:
    """What there is to remember, taken from the game."""
    texts = []
    while game.backlog:
        step = game.next()
        assert isinstance(step, Remember)
        texts.append(step.text)
    return texts


def decision(game: Game) -> Decide:
    learned(game)
    step = game.next()
    assert isinstance(step, Decide)
    return step


def act(game: Game, index: int = 0, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """Decide for an action; what the game is told."""
    due = decision(game)
    sent = game.decided(due, Choice(due.actions[index], data))
    assert sent is not None
    message = json.loads(sent)
    assert message.keys() == {"command", "data"}
    assert message["command"] == "action"
    call: dict[str, Any] = message["data"]
    return call


def names(due: Decide) -> list[str]:
    return [action.name for action in due.actions]


def test_silent_context_is_remembered_and_leads_to_nothing() -> None:
    game = started(JUMP)
    tell(game, "context", message="It rains.", silent=True)
    assert learned(game) == ["It rains."]
    assert game.next() is None


def test_context_that_is_not_silent_may_be_acted_on() -> None:
    game = started(JUMP, PLAY)
    tell(game, "context", message="A cat!", silent=False)
    due = decision(game)
    assert (names(due), due.may_pass) == (["jump", "play"], True)
    assert game.decided(due, None) is None
    assert game.next() is None


def test_a_forced_action_is_chosen_among_those_named_and_has_its_data_in_a_string() -> None:
    game = started(JUMP, PLAY)
    force(game, "play", "unheard_of")
    due = decision(game)
    assert (names(due), due.may_pass, due.question) == (["play"], False, "Your turn.")
    call = act(game, data={"card": 3})
    assert (call["name"], json.loads(call["data"])) == ("play", {"card": 3})
    assert game.next() is None


def test_an_action_without_a_schema_has_no_data() -> None:
    game = started(JUMP)
    force(game, "jump")
    assert "data" not in act(game)


def test_a_refused_force_is_tried_again_and_what_was_said_is_remembered() -> None:
    game = started(PLAY)
    force(game, "play")
    first = act(game, data={"card": 9})
    tell(game, "action/result", id=first["id"], success=False, message="There is no card 9.")
    assert learned(game) == ["You did this: play (card: 9). It failed. There is no card 9."]
    second = act(game, data={"card": 1})
    assert second["id"] != first["id"]
    tell(game, "action/result", id=second["id"], success=True)
    assert learned(game) == ["You did this: play (card: 1). It worked."]
    assert game.next() is None


def test_a_game_that_refuses_everything_is_given_up() -> None:
    game = started(JUMP)
    force(game, "jump")
    for _ in range(MAX_TRIES):
        tell(game, "action/result", id=act(game)["id"], success=False, message="No.")
    learned(game)
    assert game.next() is None


def test_state_is_remembered_unless_it_is_ephemeral() -> None:
    game = started(JUMP)
    force(game, "jump", state="You have 3 cards.")
    assert learned(game) == ["You have 3 cards. Your turn."]
    assert decision(game).state == ""
    other = started(JUMP)
    force(other, "jump", state="You have 3 cards.", ephemeral_context=True)
    assert learned(other) == []
    assert decision(other).state == "You have 3 cards."


def test_nothing_is_decided_while_an_action_is_under_way_and_a_second_force_waits() -> None:
    game = started(JUMP, PLAY)
    force(game, "jump")
    call = act(game)
    force(game, "play")
    tell(game, "context", message="A cat!", silent=False)
    learned(game)
    assert game.next() is None
    tell(game, "action/result", id="no such", success=True)
    learned(game)
    assert game.next() is None
    tell(game, "action/result", id=call["id"], success=True)
    assert names(decision(game)) == ["play"]


def test_a_force_overtakes_a_decision_that_is_not_forced() -> None:
    game = started(JUMP, PLAY)
    tell(game, "context", message="A cat!", silent=False)
    due = decision(game)
    assert not game.is_stale(due)
    force(game, "play")
    assert game.is_stale(due)
    assert game.decided(due, Choice(due.actions[0])) is None
    assert names(decision(game)) == ["play"]


def test_what_is_unregistered_meanwhile_is_not_done() -> None:
    game = started(JUMP, PLAY)
    force(game, "jump", "play")
    due = decision(game)
    tell(game, "actions/unregister", action_names=["jump", "unheard_of"])
    assert game.is_stale(due)
    assert game.decided(due, Choice(due.actions[0])) is None
    assert names(decision(game)) == ["play"]
    tell(game, "actions/unregister", action_names=["play"])
    assert game.next() is None


def test_a_name_that_is_registered_already_keeps_its_meaning() -> None:
    game = started(JUMP)
    tell(game, "actions/register", actions=[{**JUMP, "description": "Fly."}, PLAY])
    force(game, "jump")
    assert decision(game).actions[0].description == "Jump."
    many = [{"name": f"a{i}"} for i in range(MAX_ACTIONS)]
    tell(game, "actions/register", actions=many)
    assert len(game.actions) == MAX_ACTIONS


def test_a_startup_forgets_what_was_registered_and_under_way() -> None:
    game = started(JUMP)
    force(game, "jump")
    act(game)
    tell(game, "startup")
    assert game.actions == ()
    tell(game, "actions/register", actions=[PLAY])
    force(game, "play")
    assert names(decision(game)) == ["play"]


def test_a_force_that_nobody_can_decide_on_is_given_up() -> None:
    game = started(JUMP)
    force(game, "jump")
    assert game.decided(decision(game), None) is None
    assert game.next() is None


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "valid"),
        ('{"command": "fly", "game": "Chess"}', "fly"),
        ('{"command": "startup"}', "`game`"),
        ('{"command": "context", "game": "Chess", "data": {"message": 3}}', "`data.message`"),
        ('{"command": "context", "game": "Chess", "data": {"message": "\\ud800"}}', "surrogate"),
        (b"\xff", "not JSON"),
    ],
)
def test_what_is_no_message_says_why(frame: str | bytes, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        read(frame)


@given(st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.text(), st.lists).map(json.dumps)))
def test_whatever_comes_is_a_message_or_a_bad_one(frame: str | bytes) -> None:
    try:
        read(frame)
    except BadMessage:
        return
