"""A server with a scripted world, and raw sockets to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from bridge.connection import Patience
from bridge.protocol import Limits
from bridge.server import Server
from tests.bridge.raw_client import RawClient
from tests.bridge.scripted_world import ScriptedWorld

Serve = Callable[..., AbstractAsyncContextManager[Server]]

QUICK = Patience(hello=0.3, flush=0.2, close=0.3, cancel=1.0)
LIMITS = Limits(message_bytes=64 * 1024, string_chars=8 * 1024, open_requests=4, npcs=3)


@pytest.fixture
async def world() -> ScriptedWorld:
    return ScriptedWorld()


@pytest.fixture
def serve(world: ScriptedWorld) -> Serve:
    @asynccontextmanager
    async def running(**options: Any) -> AsyncIterator[Server]:
        settings = {"port": 0, "grace": 0.2, "patience": QUICK, "limits": LIMITS, **options}
        async with asyncio.timeout(10), Server(world, **settings) as server:
            yield server

    return running


@pytest.fixture
async def server(serve: Serve) -> AsyncIterator[Server]:
    async with serve() as server:
        yield server


@pytest.fixture
async def raw(server: Server) -> AsyncIterator[RawClient]:
    async with RawClient(server.url) as client:
        await client.greet()
        yield client
