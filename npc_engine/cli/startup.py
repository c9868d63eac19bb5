"""From settings to a server that accepts connections: the one place where all rooms are put together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from npc_engine.config import Settings
from npc_engine.errors import OperatorError
from npc_engine.inference.model.progress import Progress

if TYPE_CHECKING:
    import ssl

    from bridge.neuro.server import NeuroServer
    from bridge.openai_api.server import HttpServer
    from bridge.server import Server
    from npc_engine.inference.load import LoadedEngine
    from npc_engine.inference.request import Generator
    from npc_engine.inference.tokenizer import Tokenizer
    from npc_engine.persona import LoadedWorld
    from npc_engine.store import DataFolder
    from npc_engine.world.world import World


@dataclass(frozen=True, slots=True)
class Voice:
    """What NPCs speak with. ``folder`` has the files of tokenizer and chat template; ``run`` gives what generates, for
    as long as its block lasts."""

    folder: Path
    tokenizer: "Tokenizer"
    end_ids: frozenset[int]
    explanation: str
    run: "Callable[[], AbstractContextManager[Generator]]"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that takes long or may be refused, before the first connection."""

    settings: Settings
    data: "DataFolder"
    library: Mapping[str, "LoadedWorld"]
    voice: Voice
    tls: "ssl.SSLContext | None" = None


class Safety(TypedDict):
    """Whom all doors let in, and how."""

    host: str
    token: str | None
    origins: Sequence[str]
    tls: "ssl.SSLContext | None"


@contextmanager
def prepare(settings: Settings, report: Progress) -> Iterator[Prepared]:
    """Hold the data folder, read the personas, find the model and load it: what fails fastest comes first.

    Blocks for seconds, the first time for minutes, so no event loop should run here. Raises NpcEngineError of the kind
    that each step raises.
    """
    from npc_engine.inference.mock import MOCK
    from npc_engine.persona import load_library
    from npc_engine.store import DataFolder

    tls = _tls(settings)
    with DataFolder(settings.data) as data:
        library = load_library(settings.personas)
        _check_doors(settings, library)
        voice = _mock(settings) if settings.model == MOCK else _engine(settings, report)
        yield Prepared(settings, data, library, voice, tls)


def _mock(settings: Settings) -> Voice:
    """Lines without a model. Imports nothing slow."""
    from npc_engine.inference.mock.load import FOLDER, load_mock
    from npc_engine.inference.request import Budgets

    budgets = Budgets(settings.device_budget, settings.ram_budget, settings.disk_budget)
    loaded = load_mock(
        max_context=settings.max_context, seed=settings.seed or 0, pace=settings.mock_pace, budgets=budgets
    )
    explanation = "no model; what NPCs say follows from the seed"
    return Voice(FOLDER, loaded.tokenizer, loaded.end_ids, explanation, lambda: nullcontext(loaded.generator))


def _engine(settings: Settings, report: Progress) -> Voice:
    """The engine with the model that the settings name. Imports torch."""
    from npc_engine.inference.environment import set_environment
    from npc_engine.inference.model.catalog import resolve

    folder = resolve(settings.model, cache=settings.cache, report=report)
    set_environment(settings.kernels)
    loaded = _load(settings, folder, report)

    def run() -> "AbstractContextManager[Generator]":
        from npc_engine.inference.thread import EngineThread

        return EngineThread(loaded.engine)

    return Voice(folder, loaded.tokenizer, loaded.spec.end_ids, loaded.choice.explain(), run)


def _tls(settings: Settings) -> "ssl.SSLContext | None":
    """What the settings say about TLS. Raises OperatorError for a certificate that can't be used."""
    from bridge.tls import tls_context

    if settings.tls_cert is None:
        if settings.tls_key is not None:
            raise OperatorError("There is a key and no certificate.", remedy="Name the certificate with --tls-cert.")
        return None
    return tls_context(settings.tls_cert, settings.tls_key)


def _check_doors(settings: Settings, library: "Mapping[str, LoadedWorld]") -> None:
    """Raise what opening the doors would raise: nobody should wait for a model to hear of a port that is in use."""
    from bridge.listening import bind, check_token
    from npc_engine.world.homes import home_of

    check_token(settings.host, settings.secret)
    if settings.neuro_port:
        if settings.neuro_persona is None:
            raise OperatorError(
                "Nobody is named to play the games of the Neuro SDK.", remedy="Name a persona with --neuro-persona."
            )
        home_of(library, settings.neuro_persona, None)
    others = {"--http-port": settings.http_port, "--neuro-port": settings.neuro_port}
    ports = {"--port": settings.port} | {flag: port for flag, port in others.items() if port}
    for flag, port in others.items():
        if port and [*ports.values()].count(port) > 1:
            raise OperatorError(
                f"More than one door has port {port}.",
                remedy=f"Choose another one with {flag}; {flag} 0 leaves that door out.",
            )
    with ExitStack() as listeners:
        for flag, port in ports.items():
            for listener in bind(settings.host, port, flag=flag):
                listeners.enter_context(listener)


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
    """What listens: for games, and unless they are turned off for OpenAI's API and for games of the Neuro SDK."""

    websocket: "Server"
    http: "HttpServer | None"
    neuro: "NeuroServer | None"


@asynccontextmanager
async def serving(prepared: Prepared) -> "AsyncIterator[Doors]":
    """Servers that listen as the settings say, until the block is left.

    Then they drain, and what was said is in the journal.
    """
    from bridge.server import Server
    from npc_engine.inference.grammar import Grammars
    from npc_engine.inference.mock import MOCK
    from npc_engine.mind.markup import read_markup
    from npc_engine.mind.mind import Language
    from npc_engine.store import Journal
    from npc_engine.world.world import World

    settings, voice = prepared.settings, prepared.voice
    markup, grammars = read_markup(voice.folder, voice.tokenizer), Grammars(voice.folder, voice.end_ids)
    language = Language(voice.tokenizer, markup, voice.end_ids, grammars)
    seed = 0 if settings.seed is None and settings.model == MOCK else settings.seed
    with voice.run() as generator:
        async with await Journal.open(prepared.data) as journal:
            world = World(prepared.library, journal, language, generator, seed=seed)
            await world.start()
            try:
                async with AsyncExitStack() as stack:
                    safety = _safety(prepared)
                    server = Server(world, port=settings.port, model=settings.model, **safety)
                    http = _http_server(prepared, generator, safety) if settings.http_port else None
                    neuro = _neuro_server(world, settings, safety) if settings.neuro_port else None
                    doors = [door for door in (server, http, neuro) if door is not None]
                    for door in doors:
                        await stack.enter_async_context(door)
                    yield Doors(server, http, neuro)
                    # One after the other would double the time that running replies get.
                    await asyncio.gather(*(door.close() for door in doors))
            finally:
                await world.close()


def _safety(prepared: Prepared) -> Safety:
    settings = prepared.settings
    return {"host": settings.host, "token": settings.secret, "origins": settings.origin, "tls": prepared.tls}


def _http_server(prepared: Prepared, generator: "Generator", safety: Safety) -> "HttpServer":
    from bridge.openai_api.app import Served
    from bridge.openai_api.server import HttpServer
    from npc_engine.mind.chat_template import read_chat_template

    settings, voice = prepared.settings, prepared.voice
    template = read_chat_template(voice.folder)
    served = Served(settings.model, generator, voice.tokenizer, template, voice.end_ids)
    return HttpServer(served, port=settings.http_port, **safety)


def _neuro_server(world: "World", settings: Settings, safety: Safety) -> "NeuroServer":
    from bridge.neuro.server import NeuroServer

    assert settings.neuro_persona is not None
    return NeuroServer(world, settings.neuro_persona, port=settings.neuro_port, **safety)
