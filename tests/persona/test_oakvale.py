"""The example world is fit to ship."""

import re
from pathlib import Path

import pytest

from npc_engine.persona import LoadedWorld, Persona, WorldFile, activated_lore, check, load_world, render_persona
from npc_engine.persona.render import render_world

ROOT = Path(__file__).parents[2]
OAKVALE = ROOT / "personas" / "oakvale"


@pytest.fixture(scope="module")
def oakvale() -> LoadedWorld:
    return load_world(OAKVALE)


def test_it_has_no_problems() -> None:
    assert check(OAKVALE) == []


def test_at_least_eight_villagers_live_there_and_each_can_introduce_itself(oakvale: LoadedWorld) -> None:
    assert len(oakvale.personas) >= 8
    for persona in oakvale.personas.values():
        assert len(persona.examples) >= 3
        assert persona.examples[0].player == "Who are you?"


def test_everyone_has_a_secret_that_trust_can_win_and_nothing_else(oakvale: LoadedWorld) -> None:
    for key, persona in oakvale.personas.items():
        secrets = [known for known in persona.knowledge if known.secret]
        assert secrets, key
        for secret in secrets:
            line = f"Tell me about {secret.keys[0]}"
            assert " ".join(secret.text.split()) not in activated_lore(persona, oakvale.world, line)
            assert " ".join(secret.text.split()) in activated_lore(persona, oakvale.world, line, trust=5)
            assert secret.text[:30] not in render_persona(persona, oakvale.names)


def test_no_family_tie_or_friendship_names_somebody_unknown(oakvale: LoadedWorld) -> None:
    for persona in oakvale.personas.values():
        assert set(persona.relationships) <= set(oakvale.personas)


def test_prompts_stay_short(oakvale: LoadedWorld) -> None:
    # Some four characters make a token: under 250 for the world, under 350 for a persona with its examples.
    assert len(render_world(oakvale.world)) < 1000
    assert all(len(render_persona(persona, oakvale.names)) < 1400 for persona in oakvale.personas.values())


def test_the_guide_names_every_field() -> None:
    guide = (ROOT / "docs" / "personas.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+)`", guide))
    for model in (Persona, WorldFile):
        assert set(model.model_fields) <= named
        for field in ("generation", "memory", "mood", "guardrails", "voice"):
            nested = model.model_fields.get(field)
            kind = nested.annotation if nested else None
            if isinstance(kind, type):
                assert set(kind.model_fields) <= named
