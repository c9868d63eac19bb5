"""Notices that a reply goes round in circles: the same sentence again, or the same few words over and over."""

from collections import deque
from collections.abc import Hashable
from enum import Enum, auto
from typing import Any

# "Come here!" may be called twice; a whole sentence is not said twice in one breath.
_SHORTEST_SENTENCE = 12
_END = ""


class Standing(Enum):
    """How a text stands: not repeating, repeating so far that no more should be shown yet, or going round."""

    FREE = auto()
    SUSPECT = auto()
    LOOP = auto()


class Cycles:
    """Finds a sequence that repeats at its end with a period of at most ``longest`` items.

    It is suspect after two rounds that are ``suspect`` items together, and a loop after three that are
    ``loop``. Costs ``longest`` comparisons per item.
    """

    def __init__(self, longest: int, suspect: int, loop: int) -> None:
        self._suspect = suspect
        self._loop = loop
        self._items: deque[Hashable] = deque(maxlen=longest)
        # _matches[p - 1]: how many items up to the last are each the same as the one p before it.
        self._matches = [0] * longest

    def add(self, item: Hashable) -> Standing:
        """Take the next item."""
        standing = Standing.FREE
        for index, earlier in enumerate(self._items):
            if item != earlier:
                self._matches[index] = 0
                continue
            self._matches[index] += 1
            period, matched = index + 1, self._matches[index]
            if matched >= 2 * period and matched + period >= self._loop:
                return Standing.LOOP
            if matched >= period and matched + period >= self._suspect:
                standing = Standing.SUSPECT
        self._items.appendleft(item)
        return standing


class SaidSentences:
    """The sentences said so far, as a trie of their letters and digits; and how far the current one is like one."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self._node: dict[str, Any] | None = self._root
        self._current: list[str] = []

    def add(self, char: str) -> None:
        """Take the next character of the current sentence."""
        if not char.isalnum():
            return
        for letter in char.casefold():
            self._current.append(letter)
            if self._node is not None:
                self._node = self._node.get(letter)

    @property
    def may_repeat(self) -> bool:
        """Whether the current sentence may still turn out to be one of those said."""
        return self._node is not None and bool(self._node)

    def end(self) -> bool:
        """End the current sentence. True if it was said before."""
        again = self._node is not None and _END in self._node
        if not again and len(self._current) >= _SHORTEST_SENTENCE:
            node = self._root
            for letter in self._current:
                node = node.setdefault(letter, {})
            node[_END] = {}
        self._node = self._root
        self._current = []
        return again
