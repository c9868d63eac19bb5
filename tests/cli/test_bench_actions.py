"""The situations of the benchmark are ones that can be played."""

import pytest
from jsonschema import Draft202012Validator

from npc_engine.cli.bench.actions import PLAYER, WORLD
from npc_engine.cli.bench.situations import NONE, Situation, read_situations
from npc_engine.config import example_worlds
from npc_engine.mind.actions import filled, present
from npc_engine.persona.loading import load_library

SITUATIONS = read_situations()


def test_there_are_sixty_and_both_halves_know_talk_from_wishes() -> None:
    assert len(SITUATIONS) == 60
    for half in (SITUATIONS[::2], SITUATIONS[1::2]):
        idle = sum(NONE in situation.sensible for situation in half)
        assert 10 <= idle <= 20


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.says)
def test_what_is_sensible_is_offered_and_what_is_offered_can_be_done(situation: Situation) -> None:
    assert situation.persona in load_library(example_worlds())[WORLD].personas
    there = present([PLAYER.name], situation.facts)
    schemas = {action.name: filled(action.schema, there) for action in situation.offered}
    assert None not in schemas.values()
    for name, args in situation.sensible.items():
        assert name in {NONE, *schemas}
        for key, value in args.items():
            schema = schemas[name]
            assert schema is not None
            assert Draft202012Validator(schema["properties"][key]).is_valid(value)
