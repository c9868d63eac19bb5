from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from npc_engine.inference.load import EngineOptions, LoadedEngine, load_engine
from npc_engine.inference.thread import EngineThread
from npc_engine.mind.mind import Language
from tests.tiny import make_tiny
from tests.village import Overheard, Script, Village, language_of, open_village


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedEngine:
    folder = make_tiny(tmp_path_factory.mktemp("world") / "tiny")
    return load_engine(folder, EngineOptions(dtype="float32", device="cpu", max_batch=8, max_context=1024))


@pytest.fixture(scope="session")
def language(tiny: LoadedEngine) -> Language:
    return language_of(tiny)


@pytest.fixture(scope="session")
def engine(tiny: LoadedEngine) -> Iterator[EngineThread]:
    with EngineThread(tiny.engine) as thread:
        yield thread


@pytest.fixture
def overheard(engine: EngineThread) -> Overheard:
    return Overheard(engine)


@pytest.fixture
async def village(tmp_path: Path, overheard: Overheard, language: Language) -> AsyncIterator[Village]:
    """Villagers whose words come from the tiny model."""
    async with open_village(tmp_path / "data", overheard, language) as village:
        yield village


@pytest.fixture
async def script(language: Language) -> Script:
    return Script(language.tokenizer.decode)


@pytest.fixture
async def scripted(tmp_path: Path, script: Script, language: Language) -> AsyncIterator[Village]:
    """Villagers who say what the script tells them to."""
    async with open_village(tmp_path / "data", script, language) as village:
        yield village
