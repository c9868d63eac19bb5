"""Finds chat-template tokens in text that arrives one character at a time."""

from collections.abc import Collection
from functools import lru_cache
from itertools import pairwise
from os.path import commonprefix  # of characters, as is meant here
from typing import Literal

# A shorter beginning of a token, such as "<", is more likely meant when a reply ends with it.
_SUSPICIOUS_LENGTH = 2


_TELLING_LENGTH = 4
"""Characters that several tokens begin with, from where on no speech does: ``<|im_``."""


class ControlTokens:
    """A chat template's tokens, and the beginnings that text must not end with while more of it may come.

    What several tokens begin with counts as one: a model that was shown their spelling misspells them.
    """

    def __init__(self, tokens: Collection[str]) -> None:
        spelt = sorted({token for token in tokens if token})
        shared = (commonprefix(pair) for pair in pairwise(spelt))  # noqa: RUF071
        self.tokens = (*spelt, *{each for each in shared if len(each) >= _TELLING_LENGTH})
        self.beginnings = frozenset(token[:end] for token in self.tokens for end in range(1, len(token)))

    @staticmethod
    @lru_cache(maxsize=16)
    def of(tokens: frozenset[str]) -> "ControlTokens":
        """The one object for ``tokens``: a model's tokens are the same for every reply."""
        return ControlTokens(tokens)


class ControlWatch:
    """Watches one text. ``held`` is the end of it that may still become a token: none of it may be shown."""

    def __init__(self, tokens: ControlTokens) -> None:
        self._tokens = tokens
        self.held = ""

    def add(self, char: str) -> bool:
        """Take the next character. True if it completes a token, which then is the end of ``held``."""
        self.held += char
        if self._tokens.tokens and self.held.endswith(self._tokens.tokens):
            return True
        while self.held and self.held not in self._tokens.beginnings:
            self.held = self.held[1:]
        return False

    def completed(self) -> str:
        """The longest token that ``held`` ends with, after ``add`` returned True."""
        return max((token for token in self._tokens.tokens if self.held.endswith(token)), key=len)

    def at_end(self) -> Literal["show", "drop"]:
        """What to do with ``held`` when the text ends here: the better half of a token is dropped."""
        return "drop" if len(self.held) >= _SUSPICIOUS_LENGTH else "show"
