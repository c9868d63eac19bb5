from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.served import Served
from tests.tiny import make_tiny


@pytest.fixture(scope="session")
def served(default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server that many tests talk to, each to NPCs of its own."""
    server = Served(tmp_path_factory.mktemp("served") / "data")
    yield server
    server.kill()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("e2e") / "tiny")
