"""Where games that speak the Neuro game SDK's protocol connect to."""

import hmac
import http
import logging
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import websockets.asyncio.server as websockets_server
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from bridge.listening import cannot_listen, check_token, url_host
from bridge.neuro.connection import Connection
from bridge.neuro.player import Player, WorldPlayer
from npc_engine.world.world import World

logger = logging.getLogger(__name__)

MAX_MESSAGE = 1 << 20
"""Bytes of one message: some games register all they have at once."""

_FRAMES_AHEAD = 4
_MAX_GAMES = 16


class NeuroServer:
    """Lets ``persona`` play every game that connects, each with a memory of its own. An async context manager.

    These games send no token of ours: where one is set, it stands in the address (``ws://host:port/?token=...``).
    ``origins`` and ``tls`` are as for ``Server``.
    """

    def __init__(
        self,
        world: World,
        persona: str,
        *,
        host: str,
        port: int,
        token: str | None = None,
        origins: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Raises UnknownPersona, and OperatorError if this would let strangers in."""
        check_token(host, token)
        world.check_persona(persona)
        self.host, self.port = host, port
        self._world, self._persona, self._token, self._tls = world, persona, token, tls
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._games = 0
        self._listener: websockets_server.Server | None = None

    @property
    def url(self) -> str:
        """Where games connect to."""
        return f"{'ws' if self._tls is None else 'wss'}://{url_host(self.host)}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises OperatorError if that is impossible here."""
        try:
            self._listener = await websockets_server.serve(
                self._handle,
                self.host,
                self.port,
                process_request=self._admit,
                compression=None,
                server_header="npc-engine",
                max_size=MAX_MESSAGE,
                max_queue=_FRAMES_AHEAD,
                ssl=self._tls,
                logger=logger.getChild("socket"),
            )
        except OSError as error:
            raise cannot_listen(error, self.host, self.port, flag="--neuro-port") from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop: all games are left. Safe to repeat."""
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _handle(self, socket: ServerConnection) -> None:
        self._games += 1
        try:
            await Connection(socket, self._player).serve()
        finally:
            self._games -= 1

    async def _player(self, game: str) -> Player:
        """The persona as it knows ``game``: tomorrow it remembers today."""
        npc = f"{self._persona}@{game}"[:128]
        await self._world.spawn(npc, self._persona)
        return WorldPlayer(self._world, npc)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse foreign web pages, strangers, and more games than anyone plays."""
        if any(origin.lower() not in self._origins for origin in request.headers.get_all("Origin")):
            refusal = "This page is not on the list of origins: npc-engine serve --origin adds one.\n"
            return connection.respond(http.HTTPStatus.FORBIDDEN, refusal)
        if self._token is not None:
            given = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                return connection.respond(http.HTTPStatus.UNAUTHORIZED, "Add ?token=... to the address.\n")
        if self._games >= _MAX_GAMES:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{_MAX_GAMES} games are played already.\n")
        return None
