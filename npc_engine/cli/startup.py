"""From settings to a server that accepts connections: the one place where all rooms are put together."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from npc_engine.config import Settings
from npc_engine.inference.model.progress import Progress

if TYPE_CHECKING:
    from bridge.server import Server
    from npc_engine.inference.load import LoadedEngine
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
    from npc_engine.inference.model.catalog import resolve
    from npc_engine.inference.spinning import limit_spinning
    from npc_engine.persona import load_library
    from npc_engine.store import DataFolder

    with DataFolder(settings.data) as data:
        library = load_library(settings.personas)
        folder = resolve(settings.model, cache=settings.cache, report=report)
        limit_spinning()
        from npc_engine.inference.load import EngineOptions, load_engine

        options = EngineOptions(
            dtype=settings.dtype,
            weights=settings.weights,
            threads=settings.threads,
            max_batch=settings.max_batch,
            max_context=settings.max_context,
            ram_budget=settings.ram_budget,
        )
        yield Prepared(settings, data, library, load_engine(folder, options))


@asynccontextmanager
async def serving(prepared: Prepared, *, host: str, port: int, token: str | None) -> "AsyncIterator[Server]":
    """A server that listens, until the block is left: then it drains, and what was said is in the journal."""
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
                async with Server(world, host=host, port=port, token=token, model=prepared.settings.model) as server:
                    yield server
            finally:
                await world.close()
