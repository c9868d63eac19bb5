"""Which of the loaded worlds a persona is in, and what was probably meant where it is in none."""

import difflib
from collections.abc import Iterable, Mapping

from npc_engine.errors import UnknownPersona
from npc_engine.persona.loading import LoadedWorld


def home_of(library: Mapping[str, LoadedWorld], persona: str, world: str | None) -> LoadedWorld:
    """The loaded world ``world``, or any of them, that has ``persona``. Raises UnknownPersona with the nearest one."""
    homes = [home for home in library.values() if persona in home.personas and world in (None, home.id)]
    if homes:
        return homes[0]
    if world is not None and world not in library:
        raise UnknownPersona(
            f"There is no world {world!r}.", of="world", remedy=f"Loaded are: {', '.join(sorted(library))}."
        )
    known = {
        id: found.name for home in library.values() if world in (None, home.id) for id, found in home.personas.items()
    }
    close = nearest(persona, known)
    hint = f"Did you mean {close!r}?" if close else f"Known are: {_some(known)}."
    raise UnknownPersona(f"There is no persona {persona!r}.", remedy=hint)


def nearest(word: str, names: Mapping[str, str]) -> str | None:
    """The id that ``word`` was probably meant to be: spelled nearly so, or nearly as one of ``names``, by id."""
    ids = {name.casefold(): id for id, name in names.items()} | {id.casefold(): id for id in names}
    close = difflib.get_close_matches(word.casefold(), ids, n=1)
    return ids[close[0]] if close else None


def _some(names: Iterable[str], most: int = 12) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:most]) + (" and more" if len(ordered) > most else "")
