"""The driver of one game's socket: messages from it, and what its player does about them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bridge.neuro.game import Choice, Decide, Game, Remember
from bridge.neuro.messages import BadMessage, read
from bridge.neuro.player import Player

logger = logging.getLogger(__name__)

MakePlayer = Callable[[str], Awaitable[Player]]
"""Who plays the game of that name."""

# So much may wait to be remembered; then the game is not read until there is less.
_BACKLOG = 64


class Connection:
    """Plays one game over one socket. ``make_player`` is called with the game's name when it is first known."""

    def __init__(self, socket: ServerConnection, make_player: MakePlayer) -> None:
        self._socket, self._make_player = socket, make_player
        self._game = Game()
        self._player: Player | None = None
        self._changed = asyncio.Event()
        self._done = asyncio.Event()
        self._deciding: tuple[Decide, asyncio.Task[Choice | None]] | None = None

    async def serve(self) -> None:
        """Play until the game leaves."""
        playing = asyncio.create_task(self._play())
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait({playing, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (playing, reading):
                task.cancel()
            for outcome in await asyncio.gather(playing, reading, return_exceptions=True):
                if isinstance(outcome, Exception):
                    logger.error("the game %r can't be played any further", self._game.name, exc_info=outcome)

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = await self._socket.recv()
                try:
                    message = read(frame)
                except BadMessage as problem:
                    logger.warning("a message of the game %r is ignored: %s", self._game.name, problem)
                    continue
                if self._player is None:
                    self._player = await self._make_player(message.game)
                self._game.receive(message)
                self._look_at_decision()
                self._changed.set()
                while self._game.backlog > _BACKLOG:
                    self._done.clear()
                    await self._done.wait()

    async def _play(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                match self._game.next():
                    case Remember(text):
                        assert self._player is not None
                        await self._player.remember(text)
                        self._done.set()
                    case Decide() as decision:
                        await self._decide(decision)
                    case None:
                        self._changed.clear()
                        await self._changed.wait()

    async def _decide(self, decision: Decide) -> None:
        assert self._player is not None
        task = asyncio.create_task(self._player.choose(decision))
        self._deciding = decision, task
        try:
            await asyncio.wait({task})
        finally:
            self._deciding = None
            task.cancel()
        if not task.cancelled() and (call := self._game.decided(decision, task.result())) is not None:
            await self._socket.send(call)

    def _look_at_decision(self) -> None:
        """Give up a decision that what was received has made pointless."""
        if self._deciding is not None and self._game.is_stale(self._deciding[0]):
            self._deciding[1].cancel()
