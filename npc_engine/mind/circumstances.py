"""How things are with an NPC right now: what the game says is true, how it feels, and how it stands to others.

It changes from turn to turn, so it is told at the end of a prompt, right before the new line, and never becomes
history: what was computed of the prompt stays valid, whatever changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from npc_engine.persona.render import names_one_of
from npc_engine.persona.schema import PLAYER, Persona, Relationship

_FEELINGS = ((-3, "hate"), (0, "distrust"), (1, ""), (3, "like"), (6, "trust"))
"""How it stands to someone whom it trusts less than so much."""


class Partner(NamedTuple):
    """Whom it talks to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """``state`` is facts by name: strings, numbers, truth values or lists of strings. ``mood`` "" is the usual one.

    ``relationships`` change those of the persona, by id: field by field, and None takes one away.
    """

    state: Mapping[str, object] = field(default_factory=dict)
    mood: str = ""
    relationships: Mapping[str, Mapping[str, object] | None] = field(default_factory=dict)

    def standing(self, persona: Persona) -> Mapping[str, Relationship]:
        """How ``persona`` stands to everyone that it has a relationship with."""
        changed = {other: self._to(persona, other) for other in self.relationships}
        merged = {**persona.relationships, **changed}
        return {other: relationship for other, relationship in merged.items() if relationship is not None}

    def trust(self, persona: Persona, partner: Partner) -> int:
        """How much ``persona`` trusts ``partner``, who is any player unless there is something about them in person."""
        standing = self.standing(persona)
        known = standing.get(partner.id, standing.get(PLAYER))
        return known.trust if known else 0

    def sentences(self, persona: Persona, names: Mapping[str, str], partner: Partner, line: str) -> Sequence[str]:
        """What ``persona`` has to know when ``partner`` says ``line``. ``names`` says what others are called, by id.

        Of relationships, only what changed, and only with those whom the line is from or about: the rest is in the
        prompt already, or of no use.
        """
        told = [f"{_flat(name)}: {_spelt(fact)}" for name, fact in self.state.items()]
        sentences = [f"Now {'; '.join(told)}."] if told else []
        if self.mood and self.mood != persona.mood.default:
            sentences.append(f"You feel {_flat(self.mood)}.")
        for other in self.relationships:
            name = partner.name if other in (partner.id, PLAYER) else names.get(other, other)
            is_here = other == partner.id or (other == PLAYER and partner.id not in self.relationships)
            if name and (is_here or names_one_of((name, other), line)):
                sentences += _stance(name, self._to(persona, other))
        return sentences

    def _to(self, persona: Persona, other: str) -> Relationship | None:
        change = self.relationships[other]
        if change is None:
            return None
        known = persona.relationships.get(other)
        return Relationship.model_validate({**(known.model_dump() if known else {}), **change})


def _stance(name: str, relationship: Relationship | None) -> Sequence[str]:
    if relationship is None:
        return [f"{_flat(name)} is nothing to you."]
    verb = next(verb for least, verb in _FEELINGS if relationship.trust < least)
    note = _flat(relationship.note)
    if verb:
        return [f"You {verb} {_flat(name)}{f': {note}' if note else ''}."]
    return [f"{_flat(name)}: {note}."] if note else []


def _spelt(fact: object) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, list):
        return ", ".join(_flat(str(item)) for item in fact) or "nothing"
    return _flat(f"{fact:g}" if isinstance(fact, float) else str(fact))


def _flat(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
