from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files into a world folder ``vale``; a minimal world.yaml is added unless one is given."""

    def write(**files: str | bytes) -> Path:
        folder = tmp_path / "vale"
        folder.mkdir(exist_ok=True)
        for name, content in {"world": "name: Vale\n", **files}.items():
            data = content if isinstance(content, bytes) else content.encode()
            (folder / f"{name}.yaml").write_bytes(data)
        return folder

    return write
