"""A server that starts, listens, refuses a second one, and drains when it is asked to stop."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from bridge.client import Client
from tests.tiny import make_tiny

WORLD = "name: Hollow\nsetting: A village of two houses.\n"
PERSONA = "name: Ada\nsummary: A miller.\n"


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("serve")
    world = folder / "worlds" / "hollow"
    world.mkdir(parents=True)
    (world / "world.yaml").write_text(WORLD)
    (world / "ada.yaml").write_text(PERSONA)
    return [
        "--personas",
        str(folder / "worlds"),
        "--model",
        str(make_tiny(folder / "tiny")),
        "--port",
        "0",
        "--http-port",
        "0",
    ]


class Served:
    """A server process and what it printed."""

    def __init__(self, arguments: list[str], data: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "npc_engine.cli", "serve", *arguments, "--data", str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on ws://127.0.0.1:"), line + self.process.communicate()[1]
        self.url = line.split()[-1]

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@pytest.fixture
def served(arguments: list[str], tmp_path: Path) -> Iterator[Served]:
    server = Served(arguments, tmp_path / "data")
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send; its fallback is tested below")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_request_to_stop_drains_and_exits_0(served: Served, number: int) -> None:
    async with Client(served.url) as client:
        await client.spawn("ada", "ada")
        reply = await client.say("ada", "Good day.", max_tokens=8)
        assert reply.usage is not None
    code, err = served.end(number)
    assert (code, "Traceback" in err) == (0, False), err


def test_a_server_says_what_it_serves_before_it_listens(served: Served, tmp_path: Path) -> None:
    assert served.process.stderr is not None
    read = os.read(served.process.stderr.fileno(), 65536).decode()
    line = f"npc-engine {version('npc-engine')}: hollow (1 persona); data in {tmp_path / 'data'}\n"
    assert line in read.replace("\r\n", "\n")


def test_a_second_server_on_the_same_data_is_refused(served: Served, arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "npc_engine.cli", "serve", *arguments, "--data", str(tmp_path / "data")]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "in use by another NPC Engine" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_chat_talks_to_a_running_server(served: Served) -> None:
    environment = {**os.environ, "NPC_ENGINE_PORT": served.url.rpartition(":")[2]}
    command = [sys.executable, "-m", "npc_engine.cli", "chat", "ada", "--timings"]
    done = subprocess.run(command, input="Good day.\n", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ada: " in done.stdout
    assert "first word after" in done.stdout


def test_a_chat_brings_its_own_engine_if_it_must(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "npc_engine.cli", "chat", "ada", *arguments[:4], "--data", str(tmp_path / "data")]
    done = subprocess.run(command, input="Good day.\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ada: " in done.stdout
    missing = subprocess.run(
        [*command[:4], "adda", *command[5:]], input="", capture_output=True, text=True, check=False
    )
    assert missing.returncode == 1
    assert "ada" in missing.stderr
    assert "Traceback" not in missing.stderr
    shutil.rmtree(tmp_path / "data")


def test_a_chat_with_flags_of_its_own_engine_says_what_they_do_when_the_folder_is_taken(
    served: Served, arguments: list[str], tmp_path: Path
) -> None:
    environment = {**os.environ, "NPC_ENGINE_DATA": str(tmp_path / "data")}
    command = [sys.executable, "-m", "npc_engine.cli", "chat", "ada", *arguments[:4]]
    done = subprocess.run(command, input="", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "in use by another NPC Engine" in done.stderr
    assert "chat starts an engine of its own: give it a folder of its own with --data" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_device_budget_that_holds_no_context_is_refused(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "npc_engine.cli", "serve", *arguments, "--data", str(tmp_path / "data")]
    done = subprocess.run([*command, "--device-budget", "1kB"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not hold one context" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_named_server_that_is_not_there_is_said_to_be_missing() -> None:
    command = [sys.executable, "-m", "npc_engine.cli", "chat", "ada", "--url", "ws://127.0.0.1:9"]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ws://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr
