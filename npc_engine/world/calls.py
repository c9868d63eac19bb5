"""Actions that a game was asked to take, until it says what came of them."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from npc_engine.errors import UnknownAction
from npc_engine.mind.actions import Deed

MAX_OPEN = 4096
"""Calls that may be open at once. Beyond it the oldest is given up: a game need not answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """``npc`` does ``deed``."""

    npc: str
    deed: Deed


class Calls:
    """The open calls of a world, by names that nobody guesses."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Call] = OrderedDict()

    def open(self, npc: str, deed: Deed) -> str:
        """Begin a call. Its name."""
        name = secrets.token_hex(8)
        self._open[name] = Call(npc, deed)
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        return name

    def close(self, name: str) -> Call:
        """End a call. Raises UnknownAction for one that is not open."""
        call = self._open.pop(name, None)
        if call is None:
            raise UnknownAction(
                f"There is no open call {name!r}.",
                remedy="Send one result for each reply.action, with its call.",
                path="call",
            )
        return call
