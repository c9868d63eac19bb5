"""A client that is as little as a client can be: a socket, msgpack, and the numbers of what it got."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgpack  # type: ignore[import-untyped]
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from npc_engine.errors import NpcEngineError

LAST = frozenset({"ok", "pong", "reply.done", "error", "npc.info", "npc.listing", "stats"})
"""What ends a request."""

_SUBPROTOCOL = Subprotocol("npc.v1.msgpack")
_OPENS_WITHIN = 60.0
_MAX_SIZE = 1 << 26


@dataclass(slots=True)
class Peer:
    """One connection, and the session it is in. ``last_seq`` is the number of the last message that it got.

    ``resume_window`` is how many seconds the server keeps a session whose connection is lost.
    """

    socket: ClientConnection
    session: str = ""
    last_seq: int = 0
    resumed: bool = False
    resume_window: float = 0.0
    gaps: int = 0
    kinds: dict[str, int] = field(default_factory=dict)

    async def send(self, **message: Any) -> None:
        """Raises websockets' ConnectionClosed."""
        await self.socket.send(msgpack.packb(message))

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises websockets' ConnectionClosed."""
        message: dict[str, Any] = msgpack.unpackb(await self.socket.recv())
        self.kinds[message["type"]] = self.kinds.get(message["type"], 0) + 1
        if (seq := message.get("seq")) is not None:
            self.gaps += seq != self.last_seq + 1
            self.last_seq = seq
        return message

    async def ask(self, **message: Any) -> dict[str, Any]:
        """Send a request and return its last answer, whatever comes before it. Nothing else may be open."""
        await self.send(**message)
        while True:
            answer = await self.receive()
            if answer.get("re") == message["id"] and answer["type"] in LAST:
                return answer

    async def greet(self, earlier: "Peer | None" = None) -> None:
        """Say hello, for the session of ``earlier`` if there is one. Raises NpcEngineError if it is not welcome."""
        resume = {"session": earlier.session, "last_seq": earlier.last_seq} if earlier else None
        hello = {"type": "hello", "protocol": 1, "id": 0, "client": {"name": "bench"}}
        await self.send(**hello, **({"resume": resume} if resume else {}))
        if earlier is not None:
            self.last_seq, self.gaps = earlier.last_seq, earlier.gaps
        welcome = await self.receive()
        if welcome["type"] != "welcome":
            raise NpcEngineError(f"The server answered {welcome} to a hello.")
        self.session, self.resumed = welcome["session"], bool(welcome.get("resumed"))
        self.resume_window = welcome.get("resume_window_ms", 0) / 1000
        if earlier is not None and not self.resumed:
            self.last_seq = welcome.get("seq", 0)

    def cut(self) -> None:
        """Lose the connection as a pulled cable would: nothing is said, nothing that was sent last need arrive."""
        self.socket.transport.abort()


async def open_peer(url: str, earlier: Peer | None = None, *, queue: int = 16) -> Peer:
    """Connect and be welcomed. ``queue`` is how many frames are read ahead of ``receive``."""
    async with asyncio.timeout(_OPENS_WITHIN):
        socket = await connect(
            url,
            subprotocols=[_SUBPROTOCOL],
            compression=None,
            proxy=None,
            max_size=_MAX_SIZE,
            max_queue=queue,
            ping_interval=None,
            open_timeout=_OPENS_WITHIN,
            close_timeout=1.0,
        )
        peer = Peer(socket)
        await peer.greet(earlier)
        return peer


@asynccontextmanager
async def crowd(url: str, count: int, at_once: int = 50, **options: Any) -> AsyncIterator[list[Peer]]:
    """So many peers, connected ``at_once`` at a time; closed with the block."""
    peers: list[Peer] = []
    try:
        while len(peers) < count:
            group = range(min(at_once, count - len(peers)))
            peers += await asyncio.gather(*(open_peer(url, **options) for _ in group))
        yield peers
    finally:
        await close(peers)


async def close(peers: Collection[Peer]) -> None:
    """Close every connection that is still there."""
    await asyncio.gather(*(peer.socket.close() for peer in peers), return_exceptions=True)
