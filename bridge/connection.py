"""The driver of one session: a socket on one side, the world on the other.

Three kinds of tasks share a session, and none of them ever waits for another's client: one reads frames, one writes
frames, and one per open request carries it out; a fourth tells what was subscribed to. Answers go into the session's
outbox without waiting, so an NPC's reply is never held up by the client that listens to it; a client that lets too
much pile up is closed instead.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bridge.errand import run_errand
from bridge.protocol import AnyAnswer, AnyRequest, Topic
from bridge.session import GOING_AWAY, POLICY_VIOLATION, HangUp, Intent, Session, Start, State, Stop, Watch
from bridge.translate import from_stats
from npc_engine.world.world import World

logger = logging.getLogger(__name__)

INTERNAL_ERROR = 1011

STATS_SECONDS = 1.0
"""Between two ``stats`` to one who subscribed to them."""

# After so many frames in a row the reader lets others run: thousands of small frames can arrive in one read.
_FRAMES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the server waits for a client, in seconds."""

    hello: float = 10.0
    flush: float = 2.0
    close: float = 2.0
    cancel: float = 5.0


class Connection:
    """Runs one session over one socket. ``serve`` returns when both have ended and nothing runs for it any more.

    ``clients`` says how many are connected.
    """

    def __init__(
        self,
        socket: ServerConnection,
        session: Session,
        world: World,
        patience: Patience,
        clients: Callable[[], int],
    ) -> None:
        self._socket = socket
        self._session = session
        self._world = world
        self._patience = patience
        self._clients = clients
        self._telling: asyncio.Task[None] | None = None
        self._errands: dict[int | str, asyncio.Task[None]] = {}
        self._more = asyncio.Event()
        self._over = asyncio.Event()
        self._ended = asyncio.Event()

    async def serve(self) -> None:
        """Run the session until the client leaves, or it is hung up on."""
        loop = asyncio.get_running_loop()
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        over = asyncio.create_task(self._over.wait())
        greeting = loop.call_later(self._patience.hello, self._expect_greeting)
        try:
            await asyncio.wait({reader, writer, over}, return_when=asyncio.FIRST_COMPLETED)
            await self._cancel_errands()
            if (hang_up := self._session.hung_up) is not None:
                await asyncio.wait({writer}, timeout=self._patience.flush)
                await self._close(hang_up.code, hang_up.reason)
            elif any(task.done() and task.exception() for task in (reader, writer)):
                await self._close(INTERNAL_ERROR, "internal error")
        finally:
            greeting.cancel()
            tasks = [task for task in (reader, writer, over, self._telling) if task is not None]
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    logger.error("connection %s failed", self._session.id, exc_info=outcome)
            await self._cancel_errands()
            self._ended.set()

    async def drain(self, grace: float) -> None:
        """Start nothing new, let running requests end for ``grace`` seconds, cancel the rest, say bye and close."""
        self._session.drain()
        if self._errands:
            await asyncio.wait(self._errands.values(), timeout=grace)
        await self._cancel_errands()
        self._hang_up(GOING_AWAY, "the server is shutting down")
        await self._ended.wait()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        count = 0
        # Reading goes on after hanging up, or the client's closing frame might never be seen.
        with contextlib.suppress(ConnectionClosed):
            async for frame in self._socket:
                for intent in self._session.receive(frame, loop.time()):
                    self._obey(intent)
                self._more.set()
                count += 1
                if count % _FRAMES_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = self._session.next_frame()
                if frame is not None:
                    await self._socket.send(frame)
                elif self._session.hung_up is not None:
                    return
                else:
                    self._more.clear()
                    await self._more.wait()

    def _obey(self, intent: Intent) -> None:
        match intent:
            case Start(request, id, after):
                earlier = [self._errands[other] for other in after]
                self._errands[id] = asyncio.create_task(self._run(request, id, earlier))
            case Stop(id):
                # Not at once: a task that is cancelled before its first step would never answer.
                asyncio.get_running_loop().call_soon(self._errands[id].cancel)
            case Watch(topics):
                self._watch(topics)
            case HangUp():
                self._over.set()

    def _watch(self, topics: frozenset[Topic]) -> None:
        if self._telling is not None:
            self._telling.cancel()
        self._telling = asyncio.create_task(self._tell_stats()) if "stats" in topics else None

    async def _tell_stats(self) -> None:
        try:
            while True:
                self._post(from_stats(await self._world.stats(), self._clients()))
                await asyncio.sleep(STATS_SECONDS)
        except Exception:
            logger.exception("connection %s gets no more stats", self._session.id)

    async def _run(self, request: AnyRequest, id: int | str, earlier: Sequence[asyncio.Task[None]]) -> None:
        succeeded = False
        try:
            succeeded = await run_errand(self._world, request, id, self._post, earlier, sessions=self._clients)
        finally:
            self._session.finish(id, succeeded=succeeded)
            del self._errands[id]

    def _post(self, message: AnyAnswer) -> None:
        if self._session.post(message) is not None:
            self._over.set()
        self._more.set()

    def _hang_up(self, code: int, reason: str) -> None:
        self._session.hang_up(code, reason)
        self._more.set()
        self._over.set()

    def _expect_greeting(self) -> None:
        if self._session.state is State.GREETING:
            self._hang_up(POLICY_VIOLATION, f"no hello within {self._patience.hello:g} seconds")

    async def _cancel_errands(self) -> None:
        await asyncio.sleep(0)  # for those that haven't had their first step: see Stop
        errands = set(self._errands.values())
        for errand in errands:
            errand.cancel()
        if errands:
            _, stuck = await asyncio.wait(errands, timeout=self._patience.cancel)
            if stuck:
                logger.error("%d cancelled requests of connection %s don't end", len(stuck), self._session.id)

    async def _close(self, code: int, reason: str) -> None:
        try:
            # A client that doesn't read holds up the closing frame as it holds up everything else.
            async with asyncio.timeout(self._patience.close):
                await self._socket.close(code, reason)
        except TimeoutError:
            # asyncio's transports can't be aborted once they have lost their loop, which happens at any time.
            with contextlib.suppress(AttributeError):
                self._socket.transport.abort()
