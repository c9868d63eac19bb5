from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from npc_engine.store import DataFolder, Journal


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    with DataFolder(tmp_path / "data") as held:
        yield held


@pytest.fixture
async def journal(folder: DataFolder) -> AsyncIterator[Journal]:
    async with await Journal.open(folder) as opened:
        yield opened
