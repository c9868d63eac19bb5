"""Claims about what a start refuses before it looks for a model, let alone loads one."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from npc_engine.cli.bench.ports import free_port
from npc_engine.cli.startup import prepare
from npc_engine.config import load_settings
from npc_engine.errors import NpcEngineError
from npc_engine.inference.model.progress import Silent


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def refusal(data: Path, **flags: Any) -> str:
    """What a start with ``flags`` is told. There is no such model, so whatever comes later is told that."""
    settings = load_settings({"port": 0, "http_port": 0, "model": "no-such-model", "data": data, **flags})
    with pytest.raises(NpcEngineError) as caught, prepare(settings, Silent()):
        pass
    return str(caught.value)


def test_nothing_else_is_wrong_with_these_starts(tmp_path: Path) -> None:
    assert "no-such-model" in refusal(tmp_path)


@pytest.mark.parametrize("flag", ["port", "http_port", "neuro_port"])
def test_a_port_in_use_is_refused_first(tmp_path: Path, taken: int, flag: str) -> None:
    said = refusal(tmp_path, **{"neuro_persona": "greta", flag: taken})
    assert f"Another program listens on 127.0.0.1 port {taken} already." in said
    assert f"--{flag.replace('_', '-')} 0" in said


def test_one_port_for_two_doors_is_refused_first(tmp_path: Path) -> None:
    free = free_port()
    said = refusal(tmp_path, port=free, http_port=free)
    assert f"More than one door has port {free}." in said
    assert "--http-port 0" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"host": "0.0.0.0"}, "lets other machines in, and no token is set.*--token"),
        ({"host": "0.0.0.0", "token": " "}, "lets other machines in, and no token is set.*--token"),
        ({"host": "192.0.2.1", "token": "sesame"}, "no address '192.0.2.1'"),
        ({"neuro_port": 8000}, "Nobody is named.*--neuro-persona"),
        ({"neuro_port": 8000, "neuro_persona": "gretta"}, "no persona 'gretta'.*greta"),
    ],
)
def test_doors_that_could_not_open_are_refused_first(tmp_path: Path, flags: dict[str, Any], said: str) -> None:
    assert re.search(said, refusal(tmp_path, **flags))


def test_a_start_that_was_refused_takes_no_port(tmp_path: Path) -> None:
    free = free_port()
    refusal(tmp_path, port=free)
    with socket.create_server(("127.0.0.1", free)):
        pass
