"""The Python client."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

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
    MemoryCompacted,
    NpcDespawn,
    NpcInfo,
    NpcInspect,
    NpcList,
    NpcListing,
    NpcSpawn,
    NpcSummary,
    Ping,
    PriorityName,
    Request,
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

DEFAULT_URL = "ws://127.0.0.1:8765"

A = TypeVar("A", bound=AnyAnswer)
R = TypeVar("R", bound=Request)


class Client:
    """A connection to an NPC Engine server. Many requests may run over it at once::

        async with Client("ws://127.0.0.1:8765") as npc:
            await npc.spawn("greta", persona="greta")
            async for piece in npc.say("greta", "Good morning!"):
                print(piece, end="")

    Methods raise ProtocolError when the server refuses or fails a request, and ConnectionLost when it goes away.
    ``on_compacted`` is called with every ``memory.compacted``, ``on_stats`` with the ``stats`` that were subscribed to.
    All of it belongs to one event loop.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        name: str = "python",
        version: str = "",
        game: str = "",
        subprotocol: str = MSGPACK.subprotocol,
        timeout: float = 10.0,
        on_compacted: Callable[[MemoryCompacted], None] | None = None,
        on_stats: Callable[[Stats], None] | None = None,
    ) -> None:
        """``timeout`` is how many seconds connecting may take; requests take as long as they take."""
        self.url = url
        self.on_compacted = on_compacted
        self.on_stats = on_stats
        self._hello = Hello(
            protocol=VERSION, client=ClientInfo(name=name, version=version, game=game), token=token, id=0
        )
        self._codec: Codec = CODECS[subprotocol]
        self._timeout = timeout
        self._ids = itertools.count(1)
        self._exchanges: dict[int | str, Exchange] = {}
        self._outgoing: asyncio.Queue[bytes | str] = asyncio.Queue()
        self._socket: ClientConnection | None = None
        self._welcome: Welcome | None = None
        self._lost: ConnectionLost | None = None
        self._bye = ""
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def welcome(self) -> Welcome:
        """What the server said when it let this client in: its limits, its model, the session."""
        assert self._welcome is not None, "enter the client first"
        return self._welcome

    async def __aenter__(self) -> Self:
        """Connect and say hello. Raises ServerUnreachable, or ProtocolError if the server doesn't let us in."""
        try:
            async with asyncio.timeout(self._timeout):
                self._socket = await self._connect()
                await self._greet(self._socket)
        except TimeoutError as error:
            await self.close()
            raise ServerUnreachable(
                f"{self.url} doesn't answer within {self._timeout:g} seconds.",
                remedy="Is it an NPC Engine, and is it busy?",
            ) from error
        except BaseException:
            await self.close()
            raise
        self._tasks = [asyncio.create_task(self._read(self._socket)), asyncio.create_task(self._write(self._socket))]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave. The server cancels what is still running. Safe to repeat."""
        if self._socket is not None:
            await self._socket.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
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
        self, hearers: Sequence[str], text: str, *, kind: str = "event", salience: float = 0.5, silent: bool = True
    ) -> Reactions:
        """Something happens in front of ``hearers``. Await what is returned; unless silent, it has their reactions."""
        request = _made(
            Event, id=next(self._ids), hearers=[*hearers], text=text, kind=kind, salience=salience, silent=silent
        )
        return Reactions(self._open(request), lambda: self._cancel(request.id))

    async def hint(self, npcs: Sequence[str], *, eta_ms: int = 0) -> None:
        """``npcs`` are likely to be spoken to in so many milliseconds: their answers will begin sooner."""
        await self._ask(_made(Hint, id=next(self._ids), npcs=[*npcs], eta_ms=eta_ms))

    async def budget(
        self, *, device_bytes: int | None = None, ram_bytes: int | None = None, disk_bytes: int | None = None
    ) -> None:
        """Change how much attention state the server may keep in each tier, from now on and for everyone."""
        given = {"device_bytes": device_bytes, "ram_bytes": ram_bytes, "disk_bytes": disk_bytes}
        await self._ask(_made(Budget, id=next(self._ids), **given))

    async def stats(self) -> Stats:
        """What the server has to do and what it keeps."""
        answer = await self._ask(_made(AskStats, id=next(self._ids)))
        assert isinstance(answer, Stats)
        return answer

    async def subscribe(self, *topics: Topic) -> None:
        """Be told about ``topics`` from now on, and about no others: ``stats`` go to ``on_stats``, once a second."""
        await self._ask(_made(Subscribe, id=next(self._ids), topics=[*topics]))

    async def ping(self) -> float:
        """Ask whether the server is there. Returns the seconds that it took to answer."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        await self._ask(Ping(id=next(self._ids)))
        return loop.time() - start

    async def _connect(self) -> ClientConnection:
        try:
            return await connect(
                self.url,
                subprotocols=[Subprotocol(self._codec.subprotocol)],
                compression=None,
                proxy=None,  # the server is on this machine or near it
                max_size=OWN_LIMITS.message_bytes,
                open_timeout=self._timeout,
                close_timeout=2.0,
                ping_timeout=120.0,
            )
        except InvalidStatus as error:
            told = bytes(error.response.body or b"").decode(errors="replace").strip()
            raise ServerUnreachable(f"{self.url} refuses with status {error.response.status_code}. {told}") from error
        except (InvalidHandshake, EOFError) as error:
            raise ServerUnreachable(
                f"What listens at {self.url} is no NPC Engine ({error}).", remedy="Name the address of one."
            ) from error
        except (InvalidURI, ValueError) as error:
            raise ServerUnreachable(f"{self.url!r} is no address.", remedy=f"Write it as {DEFAULT_URL}.") from error
        except TimeoutError:
            raise
        except OSError as error:
            raise ServerUnreachable(
                f"No NPC Engine answers at {self.url}.",
                remedy="Start one with `npc-engine serve`, or name the address of one.",
            ) from error

    async def _greet(self, socket: ClientConnection) -> None:
        try:
            await socket.send(self._codec.encode(self._hello.to_wire()))
            answer = self._decode(await socket.recv())
        except ConnectionClosed as error:
            raise ServerUnreachable(f"{self.url} closed the connection before it said anything.") from error
        if isinstance(answer, Error):
            raise ProtocolError.of(answer)
        if not isinstance(answer, Welcome):
            raise ServerUnreachable(f"What listens at {self.url} doesn't answer as an NPC Engine does.")
        self._welcome = answer

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
            self._outgoing.put_nowait(self._codec.encode(Cancel(target=target).to_wire()))

    async def _write(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(await self._outgoing.get())

    async def _read(self, socket: ClientConnection) -> None:
        problem = ""
        try:
            async for frame in socket:
                answer = self._decode(frame)
                if answer is not None:
                    self._receive(answer)
        except ConnectionClosed:
            pass
        except CodecError as error:
            problem = f"it sent what can't be read: {error.message}"
        finally:
            # Whatever ended the reading, nobody may wait for an answer that can't come.
            reason = socket.close_reason or f"the connection closed with code {socket.close_code}"
            self._lose(problem or self._bye or reason)

    def _decode(self, frame: bytes | str) -> AnyAnswer | None:
        try:
            return read_answer(self._codec.decode(frame, OWN_LIMITS))
        except ValidationError as error:
            raise CodecError("bad_message", str(error)) from error

    def _receive(self, answer: AnyAnswer) -> None:
        if isinstance(answer, Bye):
            self._bye = answer.reason
        elif isinstance(answer, MemoryCompacted):
            _tell("on_compacted", self.on_compacted, answer)
        elif isinstance(answer, Stats) and answer.re is None:
            _tell("on_stats", self.on_stats, answer)
        elif answer.re is not None and (exchange := self._exchanges.get(answer.re)) is not None:
            last = is_last(exchange.request, answer)
            if last:
                del self._exchanges[answer.re]
            exchange.receive(answer, last=last)

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = ConnectionLost(f"The connection to {self.url} ended: {reason}.")
        for exchange in self._exchanges.values():
            exchange.fail(self._lost)
        self._exchanges.clear()


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
