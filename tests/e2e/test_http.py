"""OpenAI's API as a mod finds it: a real process with the default model, and OpenAI's own client."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from bridge.client import Client
from tests.served import Served, run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def http_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def both_doors(default_model: Path, http_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("http") / "data", "--http-port", str(http_port))
    yield server
    server.kill()


def test_where_it_listens_is_printed(both_doors: Served, http_port: int) -> None:
    assert both_doors.line() == f"listening on http://127.0.0.1:{http_port}/v1\n"


async def test_a_mod_talks_to_it_and_its_prompts_are_found_again(both_doors: Served, http_port: int) -> None:
    messages: list[Any] = [{"role": "system", "content": "You are Greta, the blacksmith of Oakvale. Answer briefly."}]
    prompts = []
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{http_port}/v1", api_key="none") as client:
        for line in ("Good morning!", "Can you mend a sword?", "What will it cost?"):
            messages.append({"role": "user", "content": line})
            answer = await client.chat.completions.create(model="gpt-4o", messages=messages, max_tokens=24, seed=1)
            text, usage = answer.choices[0].message.content, answer.usage
            assert text
            assert "<|im_" not in text
            assert usage is not None
            assert usage.prompt_tokens_details is not None
            assert usage.prompt_tokens_details.cached_tokens is not None
            if prompts:
                assert usage.prompt_tokens_details.cached_tokens >= sum(prompts[-1]) - 1
            prompts.append((usage.prompt_tokens, usage.completion_tokens))
            messages.append({"role": "assistant", "content": text.strip()})


async def test_games_and_mods_share_one_engine(both_doors: Served, http_port: int) -> None:
    async with (
        openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{http_port}/v1", api_key="none") as mod,
        Client(both_doors.url) as game,
    ):
        await game.spawn("bram", "bram")
        said, answer = await asyncio.gather(
            game.say("bram", "Good day.", max_tokens=8),
            mod.chat.completions.create(model="x", messages=[{"role": "user", "content": "Hi."}], max_tokens=8),
        )
        assert said.text
        assert answer.choices[0].message.content


def test_a_port_in_use_is_said_to_be(both_doors: Served, http_port: int, tiny_model: Path, tmp_path: Path) -> None:
    arguments = ("--port", "0", "--http-port", str(http_port), "--data", str(tmp_path), "--model", str(tiny_model))
    second = run("serve", *arguments)
    assert second.returncode == 1
    assert second.stdout == ""
    assert str(http_port) in second.stderr
    assert "--http-port 0 does without HTTP" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
async def test_asked_to_stop_it_lets_a_running_answer_end(tiny_model: Path, tmp_path: Path) -> None:
    port = free_port()
    server = Served(tmp_path / "data", "--model", str(tiny_model), "--http-port", str(port))
    try:
        server.line()
        async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none") as client:
            endless: dict[str, Any] = {"max_tokens": 300, "extra_body": {"ignore_eos": True}}
            chunks = await client.chat.completions.create(
                model="x", messages=[{"role": "user", "content": "Hi."}], stream=True, **endless
            )
            await anext(aiter(chunks))
            code = asyncio.get_running_loop().run_in_executor(None, server.end)
            reasons = [chunk.choices[0].finish_reason async for chunk in chunks]
            assert reasons[-1] == "length"
        assert await code == 0
        assert "Traceback" not in server.errors
    finally:
        server.kill()
