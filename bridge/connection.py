"""The driver of one socket: frames from it into a session, and the session's frames into it.

Two tasks serve a socket, and neither ever waits for another's client: one reads frames, one writes frames. What the
session wants done its host does, in tasks of its own, whose answers go into the session's outbox without waiting: an
NPC's reply is never held up by the client that listens to it. A client that lets too much pile up loses its
connection, and may come back to its session on another one.
"""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bridge.codec import Codec
from bridge.hosts import Hosts
from bridge.intents import POLICY_VIOLATION, Ending, HangUp, Intent, Part, Return
from bridge.states import State

logger = logging.getLogger(__name__)

INTERNAL_ERROR = 1011

# A client that closes with one of these, or with no code at all, won't be back: it closed on purpose.
_FOR_GOOD = (1000, 1001, 1005)

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
    """Runs one socket. ``serve`` returns when it is closed; the session may go on without it."""

    def __init__(self, socket: ServerConnection, codec: Codec | None, hosts: Hosts, patience: Patience) -> None:
        self._socket = socket
        self._hosts = hosts
        self._patience = patience
        self._host = hosts.enter(codec)
        self._ending: Ending | None = None
        self._left = False
        self._more = asyncio.Event()
        self._over = asyncio.Event()
        self._ended = asyncio.Event()

    async def serve(self) -> None:
        """Serve the session until the client leaves, or it is hung up on."""
        loop = asyncio.get_running_loop()
        self._host.line = self
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        over = asyncio.create_task(self._over.wait())
        greeting = loop.call_later(self._patience.hello, self._expect_greeting)
        try:
            await asyncio.wait({reader, writer, over}, return_when=asyncio.FIRST_COMPLETED)
            failed = any(task.done() and task.exception() for task in (reader, writer))
            await self._leave(writer, failed=failed)
        finally:
            greeting.cancel()
            tasks = (reader, writer, over)
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    logger.error("the connection of session %s failed", self._host.session.name, exc_info=outcome)
            if not isinstance(self._ending, Part):
                await self._hosts.leave(self._host, for_good=self._left or isinstance(self._ending, HangUp))
            self._ended.set()

    async def ended(self) -> None:
        """Wait until the socket is closed."""
        await self._ended.wait()

    def wake(self) -> None:
        """The session has something to say, or is over."""
        match self._host.session.ending:
            case Part() as part:
                self.part(part)
            case HangUp() as hang_up:
                self._end(hang_up)
        self._more.set()

    def part(self, part: Part) -> None:
        """The session has left this connection: send no more of it."""
        self._host.line = None
        self._end(part)

    async def _leave(self, writer: asyncio.Task[None], *, failed: bool) -> None:
        match self._ending:
            case HangUp(code, reason):
                await self._hosts.leave(self._host, for_good=True)
                await asyncio.wait({writer}, timeout=self._patience.flush)
                await self._close(code, reason)
            case Part(code, reason, bye):
                writer.cancel()
                with contextlib.suppress(TimeoutError, ConnectionClosed):
                    async with asyncio.timeout(self._patience.flush):
                        await self._socket.send(bye)
                await self._close(code, reason)
            case None if failed:
                await self._close(INTERNAL_ERROR, "internal error")

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        count = 0
        # Reading goes on after the end, or the client's closing frame might never be seen.
        try:
            while True:
                frame = await self._socket.recv()
                if self._ending is not None:
                    continue
                for intent in self._host.session.receive(frame, loop.time()):
                    self._obey(intent)
                self._more.set()
                count += 1
                if count % _FRAMES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        except ConnectionClosed as closed:
            self._left = closed.rcvd is not None and closed.rcvd.code in _FOR_GOOD

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionClosed):
            while not isinstance(self._ending, Part):
                frame = self._host.session.next_frame(loop.time())
                if frame is not None:
                    await self._socket.send(frame)
                elif self._ending is not None:
                    return
                else:
                    self._more.clear()
                    await self._more.wait()

    def _obey(self, intent: Intent) -> None:
        match intent:
            case Return(hello):
                self._host = self._hosts.come_back(self._host, hello)
                self._host.line = self
            case HangUp():
                self._end(intent)
            case Part():
                self.part(intent)
            case _:
                self._host.obey(intent)

    def _end(self, ending: Ending) -> None:
        self._ending = ending
        self._more.set()
        self._over.set()

    def _expect_greeting(self) -> None:
        if self._host.session.state is State.GREETING:
            self._end(self._host.session.hang_up(POLICY_VIOLATION, f"no hello within {self._patience.hello:g} seconds"))

    async def _close(self, code: int, reason: str) -> None:
        try:
            # A client that doesn't read holds up the closing frame as it holds up everything else.
            async with asyncio.timeout(self._patience.close):
                await self._socket.close(code, reason)
        except TimeoutError:
            # asyncio's transports can't be aborted once they have lost their loop, which happens at any time.
            with contextlib.suppress(AttributeError):
                self._socket.transport.abort()
