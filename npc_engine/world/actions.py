"""Which actions a game offers to whom."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from npc_engine.errors import LimitExceeded, UnknownAction
from npc_engine.mind.actions import Action

MAX_ACTIONS = 256
"""Actions of one scope."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose actions they are: one NPC's, a persona's, or with neither everyone's."""

    npc: str | None = None
    persona: str | None = None


class ActionBook:
    """The actions that one game has registered."""

    def __init__(self) -> None:
        self._actions: dict[Scope, dict[str, Action]] = {}

    def register(self, scope: Scope, actions: Iterable[Action]) -> None:
        """Offer ``actions`` from now on, in place of those of the same name. Raises LimitExceeded for too many."""
        known = {**self._actions.get(scope, {}), **{action.name: action for action in actions}}
        if len(known) > MAX_ACTIONS:
            raise LimitExceeded(
                f"There would be {len(known)} actions in this scope.", remedy=f"Keep to {MAX_ACTIONS}: unregister some."
            )
        self._actions[scope] = known

    def unregister(self, scope: Scope, names: Iterable[str]) -> None:
        """Offer these no more. Raises UnknownAction, and changes nothing, for one that was not registered so."""
        known = dict(self._actions.get(scope, {}))
        for index, name in enumerate(names):
            if known.pop(name, None) is None and name not in self._actions.get(scope, {}):
                raise _unknown(name, self._actions.get(scope, {}), index)
        self._actions[scope] = known

    def offered(
        self, npc: str, persona: str, own: Collection[str] = (), only: Collection[str] | None = None
    ) -> tuple[Action, ...]:
        """What ``npc`` can do: what is registered for it, for its ``persona``, and for everyone.

        What is for everyone is narrowed to ``own``, the names in the persona's file, if there are any. ``only`` narrows
        it all to these names; raises UnknownAction for one that ``npc`` is not offered.
        """
        everyone = self._actions.get(Scope(), {})
        if own:
            everyone = {name: action for name, action in everyone.items() if name in own}
        found: Mapping[str, Action] = {
            **everyone,
            **self._actions.get(Scope(persona=persona), {}),
            **self._actions.get(Scope(npc=npc), {}),
        }
        if only is None:
            return tuple(found.values())
        for index, name in enumerate(only):
            if name not in found:
                raise _unknown(name, found, index)
        return tuple(found[name] for name in dict.fromkeys(only))


@dataclass(frozen=True, slots=True)
class Offers:
    """What may be done in one turn: what is in ``book``, or only some of it. Nothing without a book."""

    book: ActionBook | None = None
    only: tuple[str, ...] | None = None

    def to(self, npc: str, persona: str, own: Collection[str]) -> tuple[Action, ...]:
        """See ``ActionBook.offered``."""
        return self.book.offered(npc, persona, own, self.only) if self.book is not None else ()


def _unknown(name: str, known: Collection[str], index: int) -> UnknownAction:
    close = get_close_matches(name, known, n=1)
    remedy = f"Did you mean {close[0]!r}?" if close else "Register it first, with actions.register."
    return UnknownAction(f"There is no action {name!r} here.", remedy=remedy, path=f"actions[{index}]")
