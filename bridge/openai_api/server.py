"""Where the API listens, how it starts and stops."""

import asyncio
import contextlib
import math
import socket
import ssl
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Self

import uvicorn

from bridge.listening import bind, check_token, url_host
from bridge.openai_api.app import Api, Served

# Seconds for telling clients that it is over, those that don't read among them.
_LAST_WORDS = 2

# Games keep connections between lines; a server that closes them first makes the next line fail.
_KEEP_ALIVE = 120


class _Uvicorn(uvicorn.Server):
    """Uvicorn inside a program that has its own way to stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the program."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when it is done."""
        await super().startup(sockets)
        self.listens.set()


class HttpServer:
    """Serves one model to many clients over HTTP. An async context manager, or ``start`` and ``close``.

    ``port`` 0 picks a free one; ``port`` and ``url`` say which once it has started. ``token`` is the API key that
    clients must send; listening beyond this machine requires one. ``origins`` are the web pages that may use it.
    ``grace`` is how many seconds running completions get when closing. Made on the event loop that serves.
    """

    def __init__(
        self,
        served: Served,
        *,
        host: str = "127.0.0.1",
        port: int = 8766,
        token: str | None = None,
        origins: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        grace: float = 5.0,
    ) -> None:
        """Raises OperatorError if this would let strangers in."""
        check_token(host, token)
        self.host, self.port = host, port
        self._api = Api(served)
        self._grace = grace
        config = uvicorn.Config(
            self._api.app(token or None, [origin.rstrip("/").lower() for origin in origins]),
            log_config=None,
            access_log=False,
            lifespan="off",
            http="h11",  # httptools would save 5 of 15 microseconds a token, and be one more thing to build
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=math.ceil(grace) + _LAST_WORDS,
        )
        config.load()
        config.ssl = self._tls = tls
        self._uvicorn = _Uvicorn(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """What clients call the base URL."""
        return f"{'http' if self._tls is None else 'https'}://{url_host(self.host)}:{self.port}/v1"

    async def start(self) -> None:
        """Listen. Returns when clients can connect. Raises OperatorError if that is impossible here."""
        assert self._task is None, "a server starts once"
        sockets = await asyncio.to_thread(bind, self.host, self.port, flag="--http-port")
        self.port = sockets[0].getsockname()[1]
        self._task = asyncio.create_task(self._uvicorn.serve(sockets))
        listens = asyncio.create_task(self._uvicorn.listens.wait())
        await asyncio.wait((self._task, listens), return_when=asyncio.FIRST_COMPLETED)
        listens.cancel()
        if self._task.done():
            self._task.result()

    async def close(self) -> None:
        """Stop: accept nobody, let running completions end within the grace, then cancel them. Safe to repeat."""
        self._uvicorn.should_exit = True
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=self._grace)
            self._api.close()
            await asyncio.wait((self._task,))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
