"""One request of a client and the answers that it has got so far."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Sequence

from bridge.client.errors import ProtocolError
from bridge.protocol import (
    AnyAnswer,
    Error,
    Ok,
    ReplyDelta,
    ReplyDone,
    ReplySentence,
    Request,
)
from npc_engine.errors import NpcEngineError


class Exchange:
    """A request and its answers, in order. Many may read it at once, each from the beginning."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._answers: list[AnyAnswer] = []
        self._ended = False
        self._error: NpcEngineError | None = None
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether there are no more answers to come."""
        return self._ended

    def receive(self, answer: AnyAnswer, *, last: bool) -> None:
        """Add an answer. An ``error`` is always the last."""
        if isinstance(answer, Error):
            self.fail(ProtocolError.of(answer))
            return
        self._answers.append(answer)
        self._ended = last
        self._wake()

    def fail(self, error: NpcEngineError) -> None:
        """There will be no further answer, because of ``error``."""
        if not self._ended:
            self._error = error
            self._ended = True
            self._wake()

    async def answers(self) -> AsyncIterator[AnyAnswer]:
        """All answers as they come. Raises what ``fail`` was told, at the end."""
        index = 0
        while True:
            while index < len(self._answers):
                index += 1
                yield self._answers[index - 1]
            if self._ended:
                break
            changed = self._changed
            await changed.wait()
        if self._error is not None:
            raise self._error

    async def last(self) -> AnyAnswer:
        """The last answer, once it is there. Raises ProtocolError or ConnectionLost instead of it."""
        while not self._ended:
            await self._changed.wait()
        if self._error is not None:
            raise self._error
        return self._answers[-1]

    def _wake(self) -> None:
        # A fresh event for the next change: whoever waits on this one wakes exactly once.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Reply:
    """An NPC's answer, as it comes. Iterate it for pieces of text, or await it for the whole::

        async for piece in reply:
            print(piece, end="")
        done = await reply

    The line was sent when the reply was made; leaving the loop early doesn't stop the NPC, ``cancel`` does.
    """

    def __init__(self, exchange: Exchange, cancel: Callable[[], None]) -> None:
        self._exchange = exchange
        self._cancel = cancel

    async def __aiter__(self) -> AsyncIterator[str]:
        """Pieces of text. Raises ProtocolError or ConnectionLost."""
        async for answer in self._exchange.answers():
            if isinstance(answer, ReplyDelta):
                yield answer.text

    async def sentences(self) -> AsyncIterator[str]:
        """Whole sentences. Raises ProtocolError or ConnectionLost."""
        async for answer in self._exchange.answers():
            if isinstance(answer, ReplySentence):
                yield answer.text

    def __await__(self) -> Generator[object, None, ReplyDone]:
        """The complete reply, with usage and timings. Raises ProtocolError or ConnectionLost."""
        return self.done().__await__()

    async def done(self) -> ReplyDone:
        """The complete reply, with usage and timings. Raises ProtocolError or ConnectionLost."""
        last = await self._exchange.last()
        assert isinstance(last, ReplyDone)
        return last

    @property
    def ended(self) -> bool:
        """Whether the reply is complete, failed or cancelled."""
        return self._exchange.ended

    def cancel(self) -> None:
        """Stop the NPC. The reply ends soon, with finish ``cancelled`` and what was said until then."""
        if not self.ended:
            self._cancel()


class Reactions:
    """What NPCs say to an event. Iterate it for pieces of text with the NPC that says them, or await all replies.

    A silent event has none; awaiting it returns once the event is remembered.
    """

    def __init__(self, exchange: Exchange, cancel: Callable[[], None]) -> None:
        self._exchange = exchange
        self._cancel = cancel

    async def __aiter__(self) -> AsyncIterator[ReplyDelta | ReplySentence | ReplyDone]:
        """Pieces, sentences and ends of all reactions as they come; ``npc`` tells whose. Raises as awaiting does."""
        async for answer in self._exchange.answers():
            if isinstance(answer, ReplyDelta | ReplySentence | ReplyDone):
                yield answer

    def __await__(self) -> Generator[object, None, Sequence[ReplyDone]]:
        """All reactions, complete. Raises ProtocolError or ConnectionLost."""
        return self._all().__await__()

    def cancel(self) -> None:
        """Stop all reactions. Awaiting them raises ProtocolError with code ``cancelled`` then."""
        if not self._exchange.ended:
            self._cancel()

    async def _all(self) -> Sequence[ReplyDone]:
        return [answer async for answer in self._exchange.answers() if isinstance(answer, ReplyDone)]


def is_last(request: Request, answer: AnyAnswer) -> bool:
    """Whether ``answer`` is the last one to ``request``."""
    if isinstance(answer, Error):
        return True
    if request.type == "say":
        return isinstance(answer, ReplyDone)
    if isinstance(answer, Ok):
        return True
    return not answer.type.startswith("reply.")
