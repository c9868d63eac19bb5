"""What an NPC can do in the game, what it does, and who and what is there to do it with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ENTITY = "x-entity"
"""Marks a string of a schema that names someone or something present: ``people``, a fact of the NPC's state, or true
for any of them."""

PEOPLE = "people"

Present = Mapping[str, Sequence[str]]
"""Names by what they are: ``people``, and every fact of the NPC's state that is a name or a list of names."""

_INSIDE = ("anyOf", "oneOf", "allOf", "prefixItems")


@dataclass(frozen=True, slots=True)
class Action:
    """Something that an NPC can do. ``schema`` is the JSON Schema of its arguments, an object's."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True)
class Deed:
    """An action that was chosen, with arguments that its schema allows."""

    name: str
    args: Mapping[str, Any]

    @property
    def told(self) -> str:
        """The deed in words, for the NPC to remember: ``give item (item: iron key, to: Mira)``."""
        with_what = ", ".join(f"{key}: {_told(value)}" for key, value in self.args.items())
        name = " ".join(self.name.replace("_", " ").split())
        return f"{name} ({with_what})" if with_what else name


def present(people: Iterable[str], facts: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Who and what is there, of those who hear and what the game has said about the NPC."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in facts.items():
        if isinstance(value, str) and value.strip():
            found[name] = (value,)
        elif isinstance(value, list | tuple):
            found[name] = tuple(dict.fromkeys(str(item) for item in value if str(item).strip()))
    return {**found, PEOPLE: tuple(dict.fromkeys(name for name in people if name))}


def filled(schema: Mapping[str, Any], there: Present) -> Mapping[str, Any] | None:
    """``schema`` with every marked string replaced by a choice of what is there; None where it can't be met.

    A key that is not required and for which nothing is there is left out.
    """
    if schema.get(ENTITY):
        names = _names(schema[ENTITY], there)
        return {"enum": list(names)} if names else None
    made: dict[str, Any] = dict(schema)
    if isinstance(schema.get("properties"), Mapping):
        made["properties"] = {}
        for key, part in schema["properties"].items():
            inner = filled(part, there) if isinstance(part, Mapping) else part
            if inner is not None:
                made["properties"][key] = inner
            elif key in schema.get("required", ()):
                return None
    for key in _INSIDE:
        if isinstance(schema.get(key), list | tuple):
            parts = [filled(part, there) if isinstance(part, Mapping) else part for part in schema[key]]
            made[key] = [part for part in parts if part is not None]
            if len(made[key]) < len(parts) and (key not in ("anyOf", "oneOf") or not made[key]):
                return None
    if isinstance(schema.get("items"), Mapping):
        inner = filled(schema["items"], there)
        if inner is None:
            if schema.get("minItems", 0):
                return None
            return {**made, "items": {}, "maxItems": 0}
        made["items"] = inner
    for key in ("$defs", "definitions"):
        if isinstance(schema.get(key), Mapping):
            named = {name: filled(p, there) if isinstance(p, Mapping) else p for name, p in schema[key].items()}
            if None in named.values():
                return None
            made[key] = named
    return made


def _names(what: object, there: Present) -> tuple[str, ...]:
    if what is True:
        return tuple(dict.fromkeys(name for names in there.values() for name in names))
    return tuple(there.get(str(what), ()))


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return " and ".join(_told(inner) for inner in value)
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else "yes" if value else "no"
    return str(value)
