"""The server as a process: refused starts, clean ends, and ends that nobody asked for."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.client import Client, ConnectionLost
from tests.served import Served, run


def clear(done: subprocess.CompletedProcess[str], *said: str) -> bool:
    """Whether a command failed as one should: exit code 1, the reason on stderr, no traceback."""
    return done.returncode == 1 and all(text in done.stderr for text in said) and "Traceback" not in done.stderr


def test_a_second_server_on_the_same_data_is_refused(served: Served) -> None:
    second = run("serve", "--port", "0", "--http-port", "0", "--data", str(served.data))
    assert clear(second, "in use by another NPC Engine", "--data"), second.stderr
    assert second.stdout == ""


def test_a_port_in_use_is_said_to_be(served: Served, tiny_model: Path, tmp_path: Path) -> None:
    second = run("serve", "--port", str(served.port), "--data", str(tmp_path / "data"), "--model", str(tiny_model))
    assert clear(second, str(served.port), "--port"), second.stderr


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_truncated_model_file_is_named(tiny_model: Path, tmp_path: Path, name: str) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    whole = (model / name).read_bytes()
    (model / name).write_bytes(whole[: len(whole) // 2])
    done = run("serve", "--port", "0", "--http-port", "0", "--data", str(tmp_path / "data"), "--model", str(model))
    assert clear(done, str(model)), done.stderr


def test_a_chat_through_a_pipe_prints_an_answer(tmp_path: Path, default_model: Path) -> None:
    done = run("chat", "greta", "--as", "Mira", "--data", str(tmp_path / "data"), line="Who are you?\n")
    assert done.returncode == 0, done.stderr
    answer = done.stdout.partition("greta: ")[2].strip()
    assert len(answer) > 3
    assert "<|im_" not in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and SIGTERM")
async def test_after_a_kill_in_the_middle_of_a_reply_the_npc_goes_on(default_model: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = Served(data)
    async with asyncio.timeout(90), Client(first.url) as client:
        await client.spawn("greta", "greta")
        whole = await client.say("greta", "Good day. My name is Mira.", speaker="Mira")
        reply = client.say("greta", "Tell me of the storm, from its beginning to its end.", speaker="Mira")
        async for _ in reply:
            break
        first.kill()
        with pytest.raises(ConnectionLost):
            await reply
    second = Served(data)
    try:
        async with asyncio.timeout(90), Client(second.url) as client:
            assert [npc.npc for npc in await client.list()] == ["greta"]
            remembered = [entry.text for entry in (await client.inspect("greta")).journal]
            assert remembered == [
                "Good day. My name is Mira.",
                whole.text,
                "Tell me of the storm, from its beginning to its end.",
            ]
            await client.spawn("greta", "greta")
            running = client.say("greta", "Go on.", speaker="Mira")
            async for _ in running:
                break
            # Asked to stop, it lets a running answer end first.
            code = asyncio.get_running_loop().run_in_executor(None, second.end)
            done = await running
            assert done.finish in {"stop", "length"}
            assert await code == 0
        assert "Traceback" not in second.errors
    finally:
        second.kill()
