"""The Python client."""

import asyncio
import contextlib
import itertools
import logging
import random
import ssl
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bridge.client.dialling import DEFAULT_URL, dial
from bridge.client.errors import ConnectionLost, ProtocolError, ServerUnreachable
from bridge.client.exchange import Exchange, Reactions, Reply, is_last
from bridge.codec import CODECS, MSGPACK, OWN_LIMITS, Codec, CodecError
from bridge.protocol import (
    VERSION,
    AnyAnswer,
    AskStats,
    Budget,
    Bye,
    Cancel,
    ClientInfo,
    Error,
    Event,
    Hello,
    Hint,
    LogLine,
    MemoryCompacted,
    NpcChanged,
    NpcDespawn,
    NpcForget,
    NpcInfo,
    NpcInspect,
    NpcList,
    NpcListing,
    NpcSpawn,
    NpcSummary,
    NpcUpdate,
    Ping,
    Pong,
    PriorityName,
    Request,
    Resume,
    Say,
    Speaker,
    Stats,
    Subscribe,
    Topic,
    Welcome,
    read_answer,
)
from bridge.protocol.explain import explain

logger = logging.getLogger(__name__)

# Close codes after which there is no session to come back to: the server shuts down, doesn't want this client, or
# another connection has taken the session over.
_FINAL = (1001, 1008, 4001)

_FIRST_DELAY, _LONGEST_DELAY = 0.05, 2.0
"""Seconds between two attempts to come back, each about twice the one before: many clients may be trying."""

# Of the ping that follows a resumed session's missed messages. Requests have positive numbers.
_CAUGHT_UP = -1

A = TypeVar("A", bound=AnyAnswer)
R = TypeVar("R", bound=Request)


class Client:
    """A connection to an NPC Engine server. Many requests may run over it at once::

        async with Client("ws://127.0.0.1:8765") as npc:
            await npc.spawn("greta", persona="greta")
            async for piece in npc.say("greta", "Good morning!"):
                print(piece, end="")

    A connection that is lost is made again, and what was missed meanwhile comes then: nobody who waits for an answer
    notices more than that it takes longer. Methods raise ProtocolError when the server refuses or fails a request, and
    ConnectionLost when it goes away, or comes back without its session: then open requests have no answer, and new ones
    may be made.
    ``on_compacted`` is called with every ``memory.compacted``; ``on_stats``, ``on_changed`` and ``on_log`` with the
    ``stats``, ``npc.changed`` and ``log`` that were subscribed to. All of it belongs to one event loop.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
        name: str = "python",
        version: str = "",
        game: str = "",
        subprotocol: str = MSGPACK.subprotocol,
        timeout: float = 10.0,
        on_compacted: Callable[[MemoryCompacted], None] | None = None,
        on_stats: Callable[[Stats], None] | None = None,
        on_changed: Callable[[NpcChanged], None] | None = None,
        on_log: Callable[[LogLine], None] | None = None,
    ) -> None:
        """``timeout`` is how many seconds connecting may take; requests take as long as they take.

        ``tls`` says whose certificates to trust at a ``wss://`` address, if not those that this machine trusts.
        """
        self.url = url
        self.on_compacted = on_compacted
        self.on_stats = on_stats
        self.on_changed = on_changed
        self.on_log = on_log
        self._hello = Hello(
            protocol=VERSION, client=ClientInfo(name=name, version=version, game=game), token=token, id=0
        )
        self._codec: Codec = CODECS[subprotocol]
        self._timeout = timeout
        self._tls = tls
        self._ids = itertools.count(1)
        self._exchanges: dict[int | str, Exchange] = {}
        self._outgoing: asyncio.Queue[bytes | str] = asyncio.Queue()
        self._cancelled: set[int | str] = set()
        self._topics: Sequence[Topic] = ()
        self._socket: ClientConnection | None = None
        self._welcome: Welcome | None = None
        self._last_seq = 0
        self._holding = False  # requests wait until everything that was missed has come
        self._lost: ConnectionLost | None = None
        self._bye = ""
        self._running: asyncio.Task[None] | None = None

    @property
    def welcome(self) -> Welcome:
        """What the server said when it let this client in: its limits, its model, the session."""
        assert self._welcome is not None, "enter the client first"
        return self._welcome

    async def __aenter__(self) -> Self:
        """Connect and say hello. Raises ServerUnreachable, or ProtocolError if the server doesn't let us in."""
        try:
            self._socket = await self._enter(None)
        except BaseException:
            await self.close()
            raise
        self._running = asyncio.create_task(self._run(self._socket))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave. The server cancels what is still running. Safe to repeat."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        self._lose("this client was closed")

    async def spawn(
        self, npc: str, persona: str, *, world: str | None = None, vars: Mapping[str, str] | None = None
    ) -> None:
        """Bring ``npc`` into the game, with what it remembers. Spawning twice is harmless."""
        values = dict(vars) if vars is not None else None
        await self._ask(_made(NpcSpawn, id=next(self._ids), npc=npc, persona=persona, world=world, vars=values))

    async def despawn(self, npc: str) -> None:
        """Park ``npc``: it keeps everything and hears nothing."""
        await self._ask(_made(NpcDespawn, id=next(self._ids), npc=npc))

    async def forget(self, npc: str) -> None:
        """Delete ``npc`` for good. Whoever is spawned under its id from now on is somebody new."""
        await self._ask(_made(NpcForget, id=next(self._ids), npc=npc))

    async def update(
        self,
        npc: str,
        *,
        state: Mapping[str, object] | None = None,
        mood: str | None = None,
        relationships: Mapping[str, Mapping[str, object] | None] | None = None,
    ) -> None:
        """Tell ``npc`` how things are: facts by name, its mood, how it stands to others by id. None takes one away."""
        told = {"state": state, "mood": mood, "relationships": relationships}
        given = {name: value for name, value in told.items() if value is not None}
        await self._ask(_made(NpcUpdate, id=next(self._ids), npc=npc, **given))

    async def list(self, *, active: bool | None = None) -> Sequence[NpcSummary]:
        """The NPCs that the server knows; only spawned or only parked ones if ``active`` says so."""
        answer = await self._ask(_made(NpcList, id=next(self._ids), active=active))
        assert isinstance(answer, NpcListing)
        return answer.npcs

    async def inspect(self, npc: str) -> NpcInfo:
        """What ``npc`` remembers, feels and costs."""
        answer = await self._ask(_made(NpcInspect, id=next(self._ids), npc=npc))
        assert isinstance(answer, NpcInfo)
        return answer

    def say(
        self,
        npc: str,
        text: str,
        *,
        speaker: Speaker | str = "player",
        hearers: Sequence[str] = (),
        priority: PriorityName = "player",
        deadline_ms: int | None = None,
        max_tokens: int | None = None,
    ) -> Reply:
        """Speak to ``npc`` and get its reply, which streams. A ``speaker`` that is a string is id and name in one."""
        request = _made(
            Say,
            id=next(self._ids),
            npc=npc,
            speaker=Speaker(id=speaker) if isinstance(speaker, str) else speaker,
            text=text,
            hearers=[*hearers],
            priority=priority,
            deadline_ms=deadline_ms,
            max_tokens=max_tokens,
        )
        return Reply(self._open(request), lambda: self._cancel(request.id))

    def event(
        self,
        hearers: Sequence[str],
        text: str,
        *,
        kind: str = "event",
        salience: float = 0.5,
        silent: bool = True,
        max_tokens: int | None = None,
    ) -> Reactions:
        """Something happens in front of ``hearers``. Await what is returned; unless silent, it has their reactions."""
        request = _made(
            Event,
            id=next(self._ids),
            hearers=[*hearers],
            text=text,
            kind=kind,
            salience=salience,
            silent=silent,
            max_tokens=max_tokens,
        )
        return Reactions(self._open(request), lambda: self._cancel(request.id))

    async def hint(self, npcs: Sequence[str], *, eta_ms: int = 0) -> None:
        """``npcs`` are likely to be spoken to in so many milliseconds: their answers will begin sooner."""
        await self._ask(_made(Hint, id=next(self._ids), npcs=[*npcs], eta_ms=eta_ms))

    async def budget(
        self,
        *,
        device_bytes: int | None = None,
        ram_bytes: int | None = None,
        disk_bytes: int | None = None,
        tokens_per_second: float | None = None,
    ) -> None:
        """Change what the server may take, from now on and for everyone.

        Bytes are of attention state in each tier; tokens are what all NPCs together say in a second, 0 for no limit.
        """
        given = {"device_bytes": device_bytes, "ram_bytes": ram_bytes, "disk_bytes": disk_bytes}
        await self._ask(_made(Budget, id=next(self._ids), **given, tokens_per_second=tokens_per_second))

    async def stats(self) -> Stats:
        """What the server has to do and what it keeps."""
        answer = await self._ask(_made(AskStats, id=next(self._ids)))
        assert isinstance(answer, Stats)
        return answer

    async def subscribe(self, *topics: Topic) -> None:
        """Be told about ``topics`` from now on, and about no others.

        ``stats`` go to ``on_stats``, once a second. ``npc``: what becomes of NPCs, whoever caused it, goes to
        ``on_changed``. ``log``: the server's warnings and errors go to ``on_log``.
        """
        await self._ask(_made(Subscribe, id=next(self._ids), topics=[*topics]))
        self._topics = topics

    async def ping(self) -> float:
        """Ask whether the server is there. Returns the seconds that it took to answer."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        await self._ask(Ping(id=next(self._ids)))
        return loop.time() - start

    async def _enter(self, resume: Resume | None) -> ClientConnection:
        """Connect and say hello. Raises ServerUnreachable, or ProtocolError if the server doesn't let us in."""
        socket: ClientConnection | None = None
        try:
            async with asyncio.timeout(self._timeout):
                socket = await dial(self.url, self._codec.subprotocol, self._timeout, self._tls)
                await self._greet(socket, resume)
        except BaseException as error:
            if socket is not None:
                await socket.close()
            if not isinstance(error, TimeoutError):
                raise
            raise ServerUnreachable(
                f"{self.url} doesn't answer within {self._timeout:g} seconds.",
                remedy="Is it an NPC Engine, and is it busy?",
            ) from error
        return socket

    async def _greet(self, socket: ClientConnection, resume: Resume | None) -> None:
        try:
            await socket.send(self._codec.encode(self._hello.model_copy(update={"resume": resume}).to_wire()))
            answer = _read(self._decode(await socket.recv()))
        except ConnectionClosed as error:
            raise ServerUnreachable(f"{self.url} closed the connection before it said anything.") from error
        except CodecError as error:
            raise ServerUnreachable(f"What listens at {self.url} doesn't answer as an NPC Engine does.") from error
        if isinstance(answer, Error):
            raise ProtocolError.of(answer)
        if not isinstance(answer, Welcome):
            raise ServerUnreachable(f"What listens at {self.url} doesn't answer as an NPC Engine does.")
        self._welcome = answer
        self._outgoing = asyncio.Queue()
        self._holding = answer.resumed
        if answer.resumed:
            # Once this is answered all that was missed is here, and what is still open may never have arrived.
            self._outgoing.put_nowait(self._codec.encode(Ping(id=_CAUGHT_UP).to_wire()))
            return
        self._last_seq = answer.seq or 0
        if resume is not None:
            self._fail(ConnectionLost(f"The connection to {self.url} was lost, and the session with it."))
            if self._topics:
                topics = Subscribe(id=next(self._ids), topics=[*self._topics])
                self._outgoing.put_nowait(self._codec.encode(topics.to_wire()))

    async def _run(self, socket: ClientConnection) -> None:
        """Talk until there is nobody to talk to any more."""
        reason = "this client was closed"
        try:
            while True:
                reason, final = await self._talk(socket)
                if final:
                    return
                came_back = await self._come_back()
                if came_back is None:
                    return
                self._socket = socket = came_back
        finally:
            # Whatever ended it, nobody may wait for an answer that can't come.
            self._lose(reason)

    async def _talk(self, socket: ClientConnection) -> tuple[str, bool]:
        """Read and write until the connection ends. Why it did, and whether that is final."""
        writer = asyncio.create_task(self._write(socket))
        self._bye = ""
        try:
            while True:
                self._receive(self._decode(await socket.recv()))
        except ConnectionClosed:
            reason = self._bye or socket.close_reason or f"the connection closed with code {socket.close_code}"
            return reason, socket.close_code in _FINAL
        except CodecError as error:
            return f"it sent what can't be read: {error.message}", True
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _come_back(self) -> ClientConnection | None:
        """A connection on which the session goes on, or a new one begins; None if there is none in time."""
        delay = _FIRST_DELAY
        with contextlib.suppress(TimeoutError, ProtocolError):
            async with asyncio.timeout(self.welcome.resume_window_ms / 1000):
                while True:
                    await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                    try:
                        return await self._enter(Resume(session=self.welcome.session, last_seq=self._last_seq))
                    except ServerUnreachable:
                        delay = min(2 * delay, _LONGEST_DELAY)
        return None

    async def _ask(self, request: Request) -> AnyAnswer:
        exchange = self._open(request)
        try:
            return await exchange.last()
        except asyncio.CancelledError:
            self._cancel(request.id)
            raise

    def _open(self, request: Request) -> Exchange:
        assert request.id is not None
        exchange = Exchange(request)
        if self._lost is not None:
            exchange.fail(self._lost)
            return exchange
        try:
            frame = self._encode(request)
        except ProtocolError as error:
            exchange.fail(error)
            return exchange
        self._exchanges[request.id] = exchange
        if not self._holding:
            self._outgoing.put_nowait(frame)
        return exchange

    def _encode(self, request: Request) -> bytes | str:
        """Raises ProtocolError where the server would send an error without being able to say to what."""
        try:
            frame = self._codec.encode(request.to_wire())
        except CodecError as error:
            raise ProtocolError("bad_message", error.message) from error
        limit = self.welcome.limits.message_bytes
        size = len(frame) if isinstance(frame, bytes) else len(frame.encode())
        if size > limit:
            raise ProtocolError("limit_size", f"The message has {size} bytes; the server takes at most {limit}.")
        return frame

    def _cancel(self, target: int | str | None) -> None:
        if target is not None and target in self._exchanges and self._lost is None:
            self._cancelled.add(target)
            if not self._holding:
                self._outgoing.put_nowait(self._codec.encode(Cancel(target=target).to_wire()))

    async def _write(self, socket: ClientConnection) -> None:
        outgoing = self._outgoing
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(await outgoing.get())

    def _decode(self, frame: bytes | str) -> dict[str, Any]:
        return self._codec.decode(frame, OWN_LIMITS)

    def _receive(self, plain: dict[str, Any]) -> None:
        answer = _read(plain)
        # Messages of types that came after this version count, too.
        if isinstance(seq := plain.get("seq"), int):
            if seq <= self._last_seq:
                return
            self._last_seq = seq
        if isinstance(answer, Bye):
            self._bye = answer.reason
        elif isinstance(answer, MemoryCompacted):
            _tell("on_compacted", self.on_compacted, answer)
        elif isinstance(answer, Stats) and answer.re is None:
            _tell("on_stats", self.on_stats, answer)
        elif isinstance(answer, NpcChanged):
            _tell("on_changed", self.on_changed, answer)
        elif isinstance(answer, LogLine):
            _tell("on_log", self.on_log, answer)
        elif isinstance(answer, Pong) and answer.re == _CAUGHT_UP:
            self._send_again()
        elif answer is not None and answer.re is not None and answer.re in self._exchanges:
            exchange = self._exchanges[answer.re]
            last = is_last(exchange.request, answer)
            if last:
                del self._exchanges[answer.re]
                self._cancelled.discard(answer.re)
            exchange.receive(answer, last=last)

    def _send_again(self) -> None:
        """Send all that is open. What had arrived already is not done twice: the server knows it by its id."""
        self._holding = False
        for id, exchange in self._exchanges.items():
            self._outgoing.put_nowait(self._codec.encode(exchange.request.to_wire()))
            if id in self._cancelled:
                self._outgoing.put_nowait(self._codec.encode(Cancel(target=id).to_wire()))

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = ConnectionLost(f"The connection to {self.url} ended: {reason}.")
        self._fail(self._lost)

    def _fail(self, error: ConnectionLost) -> None:
        for exchange in self._exchanges.values():
            exchange.fail(error)
        self._exchanges.clear()
        self._cancelled.clear()


def _read(plain: Mapping[str, Any]) -> AnyAnswer | None:
    """A message of the server; None for one of a later version. Raises CodecError."""
    try:
        return read_answer(plain)
    except ValidationError as error:
        raise CodecError("bad_message", str(error)) from error


def _tell(name: str, listener: Callable[[A], None] | None, answer: A) -> None:
    """Call a listener, if there is one. Its failure is its own: replies go on."""
    if listener is not None:
        try:
            listener(answer)
        except Exception:
            logger.exception("%s failed", name)


def _made(model: type[R], /, **fields: object) -> R:
    """A request with these fields. Raises ProtocolError in the words that the server would use."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        path, message = explain(model, error)
        raise ProtocolError("bad_message", message, path=path) from None
