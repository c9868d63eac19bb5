"""What the model reads."""

import pytest

from npc_engine.errors import InvalidPersona
from npc_engine.persona import Persona, WorldFile, activated_lore, render_examples, render_persona, render_world

WORLD = WorldFile.model_validate(
    {
        "name": "Vale",
        "setting": "You live in  Vale,\na village.",
        "rules": ("Be short.",),
        "lore": (
            {"text": "The king is ill.", "always": True},
            {"text": "The mill is old.", "keys": ("mill", "mill race")},
        ),
        "vars": {"lord": "Bo"},
    }
)
GRETA = Persona.model_validate(
    {
        "name": "Greta",
        "summary": "the smith",
        "background": "You came with {{player}}.",
        "personality": ("gruff", "honest", "kind"),
        "speech_style": "Few words",
        "goals": ("rest", "forge a bell"),
        "examples": ({"player": "Hi", "reply": "Aye."}, {"player": "Bye", "reply": "Mm."}),
        "relationships": {
            "tom": {"trust": -3, "note": "he cheats"},
            "ann": {"trust": 2},
            "player": {"trust": 1, "note": "n"},
        },
        "knowledge": (
            {"text": "You own a cat.", "always": True},
            {"text": "Iron is dear.", "keys": ("iron",)},
            {"text": "You stole it.", "keys": ("bell",), "secret": True, "reveal_when": {"trust": ">= 2"}},
            {"text": "You are a spy.", "always": True, "secret": True, "reveal_when": {"trust": "== 5"}},
            {"text": "Never.", "keys": ("bell",), "secret": True},
        ),
    }
)


def test_the_world_is_one_plain_text() -> None:
    assert render_world(WORLD) == "You live in Vale, a village.\nThe king is ill.\nRules:\n- Be short."


def test_a_persona_is_told_who_it_is() -> None:
    assert render_persona(GRETA, {"tom": "Tom Pell"}) == (
        "You are Greta, the smith. You came with traveller. You are gruff, honest and kind.\n"
        "You own a cat.\n"
        "How you speak: Few words.\n"
        "You want to rest and forge a bell.\n"
        "People you know:\n- Tom Pell (hated): he cheats.\n- ann (liked)\n"
        "This is how you talk:\nPlayer: Hi\nGreta: Aye.\nPlayer: Bye\nGreta: Mm."
    )


def test_variables_are_filled_in_and_an_unknown_one_is_an_error() -> None:
    assert "You came with Kim." in render_persona(GRETA, variables={"player": "Kim"})
    with pytest.raises(InvalidPersona, match="lord"):
        render_persona(Persona(name="A", summary="b {{lord}}"))


def test_examples_go_first_and_the_core_stays() -> None:
    whole = render_persona(GRETA)
    shorter = render_persona(GRETA, budget=len(whole) - 1)
    assert "Hi" not in shorter
    assert "Bye" in shorter
    assert "People you know" in shorter
    assert render_persona(GRETA, budget=1) == (
        "You are Greta, the smith. You are gruff, honest and kind.\nYou own a cat.\nHow you speak: Few words."
    )


def test_examples_can_be_turns_instead() -> None:
    assert "Aye." not in render_persona(GRETA, examples=False)
    assert render_examples(GRETA) == [("Hi", "Aye."), ("Bye", "Mm.")]


@pytest.mark.parametrize(
    ("line", "lore"),
    [
        ("Where is the MILL?", ["The mill is old."]),
        ("A million millers", []),
        ("the mill\nrace runs", ["The mill is old."]),
        ("The mill's iron", ["The mill is old.", "Iron is dear."]),
        ("irony", []),
        ("", []),
    ],
)
def test_lore_comes_up_by_whole_words(line: str, lore: list[str]) -> None:
    assert activated_lore(GRETA, WORLD, line) == lore


def test_a_key_matches_whatever_the_script_and_its_accents() -> None:
    persona = Persona.model_validate(
        {"name": "A", "summary": "b", "knowledge": ({"text": "x", "keys": ("鐘", "café", "?!")},)}
    )
    assert all(activated_lore(persona, WORLD, line) == ["x"] for line in ("教会の鐘は", "CAFE\u0301", "what?!"))


@pytest.mark.parametrize(("trust", "told"), [(1, []), (2, ["You stole it."]), (5, ["You stole it.", "You are a spy."])])
def test_a_secret_is_out_of_the_prompt_until_it_may_be_told(trust: int, told: list[str]) -> None:
    assert activated_lore(GRETA, WORLD, "the bell", trust=trust) == told
    assert not {"stole", "spy", "Never"} & set(render_persona(GRETA).replace(".", "").split())
