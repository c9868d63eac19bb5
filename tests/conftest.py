from pathlib import Path

import pytest

from npc_engine.config import default_cache
from npc_engine.inference.model.catalog import resolve


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The folder of the default model, fetched and converted on the first run on a machine."""
    return resolve("default", cache=default_cache())
