"""A tiny model behind the API, on a real socket, and OpenAI's own client to it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import openai
import pytest

from bridge.openai_api.app import Served
from bridge.openai_api.server import HttpServer
from npc_engine.inference.load import EngineOptions, LoadedEngine, load_engine
from npc_engine.inference.thread import EngineThread
from npc_engine.mind.chat_template import read_chat_template
from tests.tiny import make_tiny
from tests.village import Overheard

Serve = Callable[..., AbstractAsyncContextManager[HttpServer]]

CONTEXT = 512


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedEngine:
    folder = make_tiny(tmp_path_factory.mktemp("openai") / "tiny")
    return load_engine(folder, EngineOptions(dtype="float32", device="cpu", max_batch=8, max_context=CONTEXT))


@pytest.fixture(scope="session")
def engine(tiny: LoadedEngine) -> Iterator[EngineThread]:
    with EngineThread(tiny.engine) as thread:
        yield thread


@pytest.fixture
def overheard(engine: EngineThread) -> Overheard:
    """What the engine was asked for."""
    return Overheard(engine)


@pytest.fixture
def serve(tiny: LoadedEngine, overheard: Overheard) -> Serve:
    """Open a server; ``generator`` may stand in for the engine."""

    @asynccontextmanager
    async def running(generator: Any = None, **options: Any) -> AsyncIterator[HttpServer]:
        template = read_chat_template(tiny.spec.folder)
        served = Served("tiny", generator or overheard, tiny.tokenizer, template, tiny.spec.end_ids)
        async with HttpServer(served, port=0, **options) as server:
            yield server

    return running


@pytest.fixture
async def server(serve: Serve) -> AsyncIterator[HttpServer]:
    async with serve() as server:
        yield server


@pytest.fixture
async def client(server: HttpServer) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client, which fails where it would try again."""
    async with openai.AsyncOpenAI(base_url=server.url, api_key="any", max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
async def plain(server: HttpServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends what it is told to."""
    async with httpx.AsyncClient(base_url=server.url.removesuffix("/v1"), timeout=30) as client:
        yield client
