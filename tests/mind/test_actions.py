"""Claims about actions: what is there fills their schemas, and nothing else does."""

from typing import Any

import pytest

from npc_engine.mind.actions import PEOPLE, Deed, filled, present

THERE = present(["Mira", "Bram", "Mira", ""], {"holding": ["iron key", "rope", "rope"], "place": "smithy", "health": 3})


def test_people_and_names_among_the_facts_are_present_and_each_once() -> None:
    assert THERE == {PEOPLE: ("Mira", "Bram"), "holding": ("iron key", "rope"), "place": ("smithy",)}


def test_nobody_passes_a_fact_off_as_people() -> None:
    assert present(["Mira"], {PEOPLE: ["Mallory"]})[PEOPLE] == ("Mira",)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "x-entity": "holding"}, {"enum": ["iron key", "rope"]}),
        ({"type": "string", "x-entity": True}, {"enum": ["iron key", "rope", "smithy", "Mira", "Bram"]}),
        ({"type": "string", "x-entity": "stars"}, None),
        ({"type": "string"}, {"type": "string"}),
        (
            {"properties": {"a": {"x-entity": "people"}, "b": {"x-entity": "stars"}}, "required": ["a"]},
            {"properties": {"a": {"enum": ["Mira", "Bram"]}}, "required": ["a"]},
        ),
        ({"properties": {"b": {"x-entity": "stars"}}, "required": ["b"]}, None),
        ({"type": "array", "items": {"x-entity": "place"}}, {"type": "array", "items": {"enum": ["smithy"]}}),
        ({"type": "array", "items": {"x-entity": "stars"}}, {"type": "array", "items": {}, "maxItems": 0}),
        ({"type": "array", "items": {"x-entity": "stars"}, "minItems": 1}, None),
        ({"anyOf": [{"x-entity": "stars"}, {"type": "null"}]}, {"anyOf": [{"type": "null"}]}),
        ({"anyOf": [{"x-entity": "stars"}]}, None),
        ({"$defs": {"who": {"x-entity": "stars"}}, "$ref": "#/$defs/who"}, None),
    ],
)
def test_entities_become_a_choice_of_what_is_there(schema: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert filled(schema, THERE) == expected


def test_a_deed_is_told_in_words() -> None:
    args = {"item": "iron key", "to": {"who": ["Mira", "Bram"], "soon": True}, "why": None}
    assert Deed("give_item", args).told == "give item (item: iron key, to: who Mira and Bram, soon yes, why: nothing)"
    assert Deed("flee", {}).told == "flee"
