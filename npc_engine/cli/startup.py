"""From settings to a server that accepts connections: the one place where all rooms are put together."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from npc_engine.config import Settings
from npc_engine.inference.model.progress import Progress

if TYPE_CHECKING:
    from bridge.openai_api.server import HttpServer
    from bridge.server import Server
    from npc_engine.inference.load import LoadedEngine
    from npc_engine.inference.request import Generator
    from npc_engine.persona import LoadedWorld
    from npc_engine.store import DataFolder


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that takes long or may be refused, before the first connection."""

    settings: Settings
    data: "DataFolder"
    library: Mapping[str, "LoadedWorld"]
    loaded: "LoadedEngine"


@contextmanager
def prepare(settings: Settings, report: Progress) -> Iterator[Prepared]:
    """Hold the data folder, read the personas, find the model and load it: what fails fastest comes first.

    Blocks for seconds, so no event loop should run here. Raises NpcEngineError of the kind that each step raises.
    """
    from npc_engine.inference.environment import set_environment
    from npc_engine.inference.model.catalog import resolve
    from npc_engine.persona import load_library
    from npc_engine.store import DataFolder

    with DataFolder(settings.data) as data:
        library = load_library(settings.personas)
        folder = resolve(settings.model, cache=settings.cache, report=report)
        set_environment(settings.kernels)
        yield Prepared(settings, data, library, _load(settings, folder, report))


def _load(settings: Settings, folder: Path, report: Progress) -> "LoadedEngine":
    """The engine for the model in ``folder``. Imports torch."""
    import torch

    from npc_engine.cli.device_budget import check_device_budget, default_device_budget
    from npc_engine.inference.load import EngineOptions, load_engine
    from npc_engine.inference.model.spec import read_spec
    from npc_engine.inference.probe import best_device

    spec = read_spec(folder)
    max_context = min(settings.max_context, spec.max_positions)
    # The model's dtype is chosen while it is loaded: the widest one is allowed for.
    widest = spec.kv_bytes_per_token(torch.float32) * max_context
    device_budget = settings.device_budget or default_device_budget(best_device(), least=widest)
    options = EngineOptions(
        dtype=settings.dtype,
        weights=settings.weights,
        threads=settings.threads,
        max_batch=settings.max_batch,
        max_context=settings.max_context,
        device_budget=device_budget,
        ram_budget=settings.ram_budget,
        disk_budget=settings.disk_budget,
        disk=settings.kv if settings.disk_budget else None,
        timings=settings.timings,
    )
    loaded = load_engine(folder, options, report)
    check_device_budget(device_budget, spec.kv_bytes_per_token(loaded.choice.dtype) * max_context, max_context)
    return loaded


@dataclass(frozen=True, slots=True)
class Doors:
    """What listens: for games, and for whatever speaks OpenAI's API, unless that is turned off."""

    websocket: "Server"
    http: "HttpServer | None"


@asynccontextmanager
async def serving(
    prepared: Prepared, *, host: str, port: int, token: str | None, http_port: int = 0
) -> "AsyncIterator[Doors]":
    """Servers that listen, until the block is left: then they drain, and what was said is in the journal.

    ``http_port`` 0 leaves HTTP out.
    """
    from bridge.server import Server
    from npc_engine.inference.thread import EngineThread
    from npc_engine.mind.markup import read_markup
    from npc_engine.mind.mind import Language
    from npc_engine.store import Journal
    from npc_engine.world.world import World

    loaded = prepared.loaded
    markup = read_markup(loaded.spec.folder, loaded.tokenizer)
    language = Language(loaded.tokenizer, markup, loaded.spec.end_ids)
    with EngineThread(loaded.engine) as engine:
        async with await Journal.open(prepared.data) as journal:
            world = World(prepared.library, journal, language, engine)
            await world.start()
            try:
                async with AsyncExitStack() as stack:
                    server = Server(world, host=host, port=port, token=token, model=prepared.settings.model)
                    http = _http_server(prepared, engine, host=host, port=http_port, token=token) if http_port else None
                    doors = [door for door in (server, http) if door is not None]
                    for door in doors:
                        await stack.enter_async_context(door)
                    yield Doors(server, http)
                    # One after the other would double the time that running replies get.
                    await asyncio.gather(*(door.close() for door in doors))
            finally:
                await world.close()


def _http_server(
    prepared: Prepared, generator: "Generator", *, host: str, port: int, token: str | None
) -> "HttpServer":
    from bridge.openai_api.app import Served
    from bridge.openai_api.server import HttpServer
    from npc_engine.mind.chat_template import read_chat_template

    loaded = prepared.loaded
    template = read_chat_template(loaded.spec.folder)
    served = Served(prepared.settings.model, generator, loaded.tokenizer, template, loaded.spec.end_ids)
    return HttpServer(served, host=host, port=port, token=token)
