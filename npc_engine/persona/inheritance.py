"""``extends``: what a persona takes from others. Lists append, maps merge, everything else replaces."""

from collections.abc import Mapping

from npc_engine.persona.document import Entry, Node
from npc_engine.persona.problem import Problem, nearest

MAX_ANCESTORS = 16
"""Longest chain of parents; deeper is a mistake that nobody could follow."""

_OWN = {"extends", "abstract"}
"""Keys that speak of a file and not of who is in it."""


class Family:
    """The personas of one folder as trees, by id. ``broken`` holds ids whose files could not be read."""

    def __init__(self, files: Mapping[str, Node], broken: frozenset[str] = frozenset()) -> None:
        self._files = files
        self._broken = broken
        self._resolved: dict[str, tuple[Node, bool]] = {}
        self.problems: list[Problem] = []

    def resolve(self, persona: str, trail: tuple[str, ...] = ()) -> tuple[Node, bool]:
        """The whole of ``persona`` with its parents merged in, and whether all of them could be used.

        Later parents win over earlier ones and the file itself wins over all. ``problems`` grows on the way.
        """
        if persona in self._resolved:
            return self._resolved[persona]
        own = self._files[persona]
        trail = (*trail, persona)
        merged, complete = Node(own.mark, {}), True
        for position, name in enumerate(parents := parents_of(own)):
            if (
                parent := self._usable(name, trail, "extends" if len(parents) == 1 else f"extends[{position}]")
            ) is None:
                complete = False
                continue
            ancestor, whole = self.resolve(parent, trail)
            inherited = {key: entry for key, entry in ancestor.entries().items() if key not in _OWN}
            merged, complete = merge(merged, Node(ancestor.mark, inherited)), complete and whole
        result = merge(merged, own), complete
        self._resolved[persona] = result
        return result

    def _usable(self, name: Node, trail: tuple[str, ...], key: str) -> str | None:
        parent = str(name.value)
        if parent in trail:
            chain = " -> ".join((*trail[trail.index(parent) :], parent))
            self.problems.append(Problem.at(name.mark, key, f"goes in a circle: {chain}", "remove one of them"))
        elif len(trail) > MAX_ANCESTORS:
            self.problems.append(Problem.at(name.mark, key, f"more than {MAX_ANCESTORS} generations", "merge some"))
        elif parent in self._files:
            return parent
        elif parent not in self._broken:
            message = f"there is no persona {parent!r} beside this file"
            others = (self._files.keys() | self._broken) - {trail[-1]}
            self.problems.append(Problem.at(name.mark, key, message, nearest(parent, others)))
        return None


def merge(parent: Node, child: Node) -> Node:
    """``child`` over ``parent``: maps key by key, lists joined without repeats, else the child alone."""
    if isinstance(parent.value, Mapping) and isinstance(child.value, Mapping):
        entries = dict(parent.value)
        for key, entry in child.value.items():
            entries[key] = Entry(entry.key, merge(entries[key].node, entry.node)) if key in entries else entry
        return Node(child.mark, entries)
    if isinstance(parent.value, tuple) and isinstance(child.value, tuple):
        known = [item.plain() for item in parent.value]
        return Node(child.mark, parent.value + tuple(item for item in child.value if item.plain() not in known))
    return child


def parents_of(node: Node) -> list[Node]:
    """The names under ``extends``, each with its place."""
    extends = node.get("extends")
    if extends is None:
        return []
    names = extends.value if isinstance(extends.value, tuple) else (extends,)
    # Anything that is not text is the schema's to complain about.
    return [name for name in names if isinstance(name.value, str) and name.value]
