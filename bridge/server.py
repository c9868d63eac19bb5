"""The WebSocket server: who may connect, where it listens, how it starts and stops.

What happens inside a connection is in ``session`` (the rules) and ``connection`` (the tasks).
"""

import asyncio
import http
import importlib.metadata
import logging
import shlex
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import websockets.asyncio.server as websockets_server
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bridge.codec import CODECS
from bridge.connection import Connection, Patience
from bridge.hosts import Hosts
from bridge.intents import GOING_AWAY
from bridge.listening import cannot_listen, check_token, url_host
from bridge.protocol import Heartbeat, Limits
from bridge.session import Rules
from npc_engine.world.world import World

logger = logging.getLogger(__name__)

# A message above its limit is answered with an error as long as it is below this; beyond, it is a flood, and the
# connection closes with code 1009 before it is in memory.
FLOOD_BYTES = 4 * 1024 * 1024

# Frames that were received and not yet looked at, per client. Few, because each may have FLOOD_BYTES.
_FRAMES_AHEAD = 4

# After a network was gone, everyone is back at once.
_BACKLOG = 1024

# Games stop answering while they load a level; a peer that is gone is noticed sooner than this on any local network.
_KEEPALIVE_INTERVAL, _KEEPALIVE_TIMEOUT = 30.0, 120.0


class Server:
    """Serves one world to many clients. An async context manager, or ``start`` and ``close``.

    ``port`` 0 picks a free one; ``port`` and ``url`` say which once it has started. ``token`` is what clients must
    know; listening beyond this machine requires one. ``origins`` are the web pages that may connect, as browsers
    spell them (``https://example.org``, ``null`` for files); programs send none and are always let in. With ``tls``
    nobody on the way can read or change what is said.

    The world must outlive the server: close this first.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        token: str | None = None,
        origins: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        model: str = "",
        grace: float = 5.0,
        resume_window: float = 60.0,
        max_clients: int = 2048,
        patience: Patience | None = None,
    ) -> None:
        """Raises OperatorError if this would let strangers in.

        ``model`` is the name that clients are told. ``grace`` is how many seconds running replies get when closing,
        ``resume_window`` how many a session waits for a client that was cut off.
        """
        check_token(host, token)
        self.host = host
        self.port = port
        self.grace = grace
        self._tls = tls
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._rules = Rules(
            limits=limits or Limits(),
            token=token or None,
            server=f"npc-engine {importlib.metadata.version('npc-engine')}",
            model=model,
            resume_window=resume_window,
            heartbeat=Heartbeat(interval_ms=int(_KEEPALIVE_INTERVAL * 1000), timeout_ms=int(_KEEPALIVE_TIMEOUT * 1000)),
        )
        self._max_clients = max_clients
        self._patience = patience or Patience()
        self._connections: set[Connection] = set()
        self._hosts = Hosts(world, self._rules, lambda: self.clients, most=max_clients, patience=self._patience.cancel)
        self._listener: websockets_server.Server | None = None
        self._closing = False

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"{'ws' if self._tls is None else 'wss'}://{url_host(self.host)}:{self.port}"

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen. Returns when clients can connect. Raises OperatorError if that is impossible here."""
        assert self._listener is None, "a server starts once"
        try:
            self._listener = await websockets_server.serve(
                self._handle,
                self.host,
                self.port,
                subprotocols=[Subprotocol(name) for name in CODECS],
                select_subprotocol=_select_subprotocol,
                process_request=self._admit,
                compression=None,  # on one machine it costs time and memory and saves nothing
                server_header="npc-engine",
                max_size=max(FLOOD_BYTES, self._rules.limits.message_bytes),
                max_queue=_FRAMES_AHEAD,
                ping_interval=self._rules.heartbeat.interval_ms / 1000,
                ping_timeout=self._rules.heartbeat.timeout_ms / 1000,
                close_timeout=self._patience.close,
                backlog=_BACKLOG,
                ssl=self._tls,
                logger=logger.getChild("socket"),
            )
        except OSError as error:
            raise cannot_listen(error, self.host, self.port, flag="--port") from error
        self.port = self._listener.sockets[0].getsockname()[1]
        self._hosts.start()

    async def close(self, grace: float | None = None) -> None:
        """Stop: accept nobody, let running replies end for ``grace`` seconds, say bye to everyone. Safe to repeat."""
        if self._listener is None:
            return
        self._closing = True
        self._listener.close(close_connections=False)
        wait = self.grace if grace is None else grace
        await self._hosts.close(wait)
        await asyncio.gather(*(connection.ended() for connection in self._connections))
        await self._listener.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _handle(self, socket: ServerConnection) -> None:
        if self._closing:
            await socket.close(GOING_AWAY, "the server is shutting down")
            return
        codec = CODECS[socket.subprotocol] if socket.subprotocol is not None else None
        connection = Connection(socket, codec, self._hosts, self._patience)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse foreign web pages: any page that a player has open could drive the player's engine otherwise."""
        for origin in request.headers.get_all("Origin"):
            if origin.lower() not in self._origins:
                logger.warning(
                    "refused a web page from origin %r; put it on the list of origins if it is yours", origin
                )
                return connection.respond(
                    http.HTTPStatus.FORBIDDEN,
                    f"Pages from {origin!r} are not on this server's list of origins, so that no page that a player "
                    "happens to have open drives the player's engine. "
                    f"Whoever runs the server adds one with: npc-engine serve --origin {shlex.quote(origin)}\n",
                )
        if len(self._connections) >= self._max_clients:
            return connection.respond(
                http.HTTPStatus.SERVICE_UNAVAILABLE, f"{self._max_clients} clients are connected already.\n"
            )
        return None


def _select_subprotocol(_connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The codec to use; none if the client offers none, whose first message shows it then."""
    if not offered:
        return None
    for name in CODECS:
        if name in offered:
            return Subprotocol(name)
    raise NegotiationError(f"this server speaks {' and '.join(CODECS)}, not {', '.join(offered)}")
