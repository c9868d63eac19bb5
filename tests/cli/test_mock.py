"""``serve --model mock``: a server without a model, for the tests of games."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge.client import Client
from npc_engine.cli.bench.bridge.peer import open_peer
from tests.served import Served, environment

UNWANTED = ("torch", "transformers", "numba", "numpy")

GIVE = {
    "type": "object",
    "properties": {"item": {"enum": ["bread", "iron"]}, "count": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["item", "count"],
}
PLAN = {
    "type": "object",
    "properties": {"steps": {"type": "array", "items": {"type": "string"}}, "why": {"type": "string"}},
    "required": ["steps", "why"],
}

# A whole server and a client, with HTTP, in one process: whatever either imports is seen.
TALK = f"""
import asyncio, sys
from pathlib import Path
from bridge.client import Client
from npc_engine.cli.startup import prepare, serving
from npc_engine.config import load_settings
from npc_engine.inference.model.progress import Silent

async def talk(prepared):
    async with serving(prepared) as doors:
        async with Client(doors.websocket.url) as client:
            await client.spawn("greta", "greta")
            print((await client.say("greta", "Good day.")).text)

flags = {{"model": "mock", "data": sys.argv[1], "port": 0, "http_port": int(sys.argv[2])}}
with prepare(load_settings(flags), Silent()) as prepared:
    asyncio.run(talk(prepared))
print([name for name in {UNWANTED!r} if name in sys.modules])
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("mock") / "data", "--model", "mock")
    yield server
    assert server.end() == 0, server.errors


async def lines(served: Served, npc: str, persona: str, turns: int) -> list[str]:
    async with Client(served.url) as client:
        await client.spawn(npc, persona)
        return [(await client.say(npc, f"Good day, {turn}.")).text for turn in range(turns)]


def test_a_talk_with_the_mock_imports_nothing_heavy(tmp_path: Path) -> None:
    from npc_engine.cli.bench.ports import free_port

    command = [sys.executable, "-c", TALK, str(tmp_path / "data"), str(free_port())]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    said, imported = done.stdout.splitlines()
    assert said
    assert imported == "[]"


def test_it_listens_after_less_than_a_second_of_work(tmp_path: Path) -> None:
    server = Served(tmp_path / "data", "--model", "mock")
    used = psutil.Process(server.process.pid).cpu_times()
    server.end()
    # Processor time, since others may be using this machine; `bench bridge` has the time on the clock.
    assert used.user + used.system < 1.0


async def test_an_npcs_lines_come_again_whatever_others_say(served: Served, tmp_path: Path) -> None:
    first = await lines(served, "g", "greta", 6)
    assert len(set(first)) > 1
    assert await lines(served, "other", "tobias", 3) != first[:3]
    again = Served(tmp_path / "data", "--model", "mock")
    try:
        await lines(again, "other", "tobias", 2)
        assert await lines(again, "g", "tobias", 6) == first
    finally:
        again.end()


async def test_a_restart_goes_on_where_it_was_and_another_seed_says_something_else(
    served: Served, tmp_path: Path
) -> None:
    expected = await lines(served, "restarted", "greta", 6)
    said = []
    for _ in range(2):
        server = Served(tmp_path / "data", "--model", "mock")
        said += await lines(server, "restarted", "greta", 3)
        server.kill()
    assert said == expected
    server = Served(tmp_path / "other", "--model", "mock", "--seed", "7")
    other = await lines(server, "restarted", "greta", 6)
    server.end()
    assert other != expected


async def test_the_server_around_it_is_the_real_one(served: Served) -> None:
    async with Client(served.url) as client:
        for npc in ("wenna", "hesta", "maud"):
            await client.spawn(npc, npc)
        reply = client.say("wenna", "The mill is on fire.", hearers=["hesta"])
        pieces = [piece async for piece in reply]
        done = await reply
        assert len(pieces) > 1
        assert "".join(pieces) == done.text
        assert done.usage is not None
        assert done.usage.completion_tokens >= len(pieces)
        heard = [line.text for line in (await client.inspect("hesta")).journal]
        assert heard == ["The mill is on fire.", done.text]
        assert (await client.inspect("maud")).journal == []
        stats = await client.stats()
        assert stats.engine.generated_tokens >= done.usage.completion_tokens
        assert stats.engine.running == 0


async def test_a_slow_one_can_be_cancelled_and_misses_a_deadline(tmp_path: Path) -> None:
    server = Served(tmp_path / "data", "--model", "mock", "--mock-pace", "0.2")
    try:
        async with Client(server.url) as client:
            await client.spawn("g", "greta")
            reply = client.say("g", "Tell me everything.")
            first = await anext(aiter(reply))
            reply.cancel()
            done = await asyncio.wait_for(reply, 5)
            assert done.finish == "cancelled"
            assert done.text.startswith(first)
            await asyncio.sleep(0.5)
            assert [line.text for line in (await client.inspect("g")).journal][-1] == done.text
    finally:
        server.end()


async def test_its_actions_are_random_and_valid_and_come_again(tmp_path: Path) -> None:
    async def play(seed: int) -> list[Any]:
        server = Served(tmp_path / secrets.token_hex(4), "--model", "mock", "--seed", str(seed))
        try:
            peer = await open_peer(server.url)
            await peer.ask(type="npc.spawn", id="spawn", npc="g", persona="greta")
            give = {"name": "give", "description": "Give a thing.", "schema": GIVE}
            await peer.ask(type="actions.register", id="r", scope={"npc": "g"}, actions=[give])
            done = []
            for turn in range(16):
                speaker = {"id": "p", "name": "Mira", "kind": "player"}
                await peer.send(type="say", id=turn, npc="g", speaker=speaker, text=f"Give me something, {turn}.")
                while (message := await peer.receive())["type"] != "reply.done":
                    if message["type"] == "reply.action":
                        done.append(message["args"])
            await peer.send(type="decide", id="d", npc="g", question="What now?", schema=PLAN)
            decided = await peer.receive()
            assert decided["type"] == "decided", decided
            await peer.socket.close()
            return [*done, decided["value"]]
        finally:
            server.end()

    first = await play(0)
    *given, plan = first
    assert 0 < len(given) < 16
    for args in given:
        assert args.keys() == {"item", "count"}
        assert args["item"] in ("bread", "iron")
        assert args["count"] in range(1, 10)
    assert len({(args["item"], args["count"]) for args in given}) > 1
    assert isinstance(plan["why"], str)
    assert await play(0) == first
    assert await play(1) != first


async def test_deeds_without_words_are_as_random_and_what_came_of_them_is_remembered(served: Served) -> None:
    peer = await open_peer(served.url)
    await peer.ask(type="npc.spawn", id="spawn", npc="quiet", persona="greta")
    give = {"name": "give", "description": "Give a thing.", "schema": GIVE}
    await peer.ask(type="actions.register", id="r", scope={"npc": "quiet"}, actions=[give])
    calls = []
    for turn in range(24):
        line = {"npc": "quiet", "speaker": {"id": "p", "name": "Mira"}, "text": f"Give me something, {turn}."}
        await peer.send(type="say", id=turn, max_tokens=0, **line)
        told = [await peer.receive()]
        while told[-1]["type"] != "reply.done":
            told.append(await peer.receive())
        assert (told[0]["type"], told[-1]["text"]) == ("reply.start", "")
        for action in told[1:-1]:
            assert action["type"] == "reply.action"
            assert action["args"]["item"] in ("bread", "iron")
            calls.append(action["call"])
    assert 0 < len(calls) < 24
    result = {"call": calls[-1], "ok": True, "message": "Mira has it."}
    assert (await peer.ask(type="action.result", id="result", **result))["type"] == "ok"
    journal = (await peer.ask(type="npc.inspect", id="i", npc="quiet"))["journal"]
    assert [line["speaker"] for line in journal[:-1]] == 24 * ["Mira"]
    assert journal[-1]["text"].endswith("was done. Mira has it.")
    await peer.socket.close()


async def test_it_answers_through_http_alike_for_alike_messages(tmp_path: Path) -> None:
    import httpx

    from npc_engine.cli.bench.own_server import own_server

    async with own_server(tmp_path / "data", "--model", "mock") as server, httpx.AsyncClient() as client:
        body = {"model": "mock", "messages": [{"role": "user", "content": "Good day."}], "max_tokens": 40}
        answers = [
            (await client.post(f"{server.http_url}/chat/completions", json=body)).json()["choices"][0]["message"]
            for _ in range(2)
        ]
        assert answers[0] == answers[1]
        assert answers[0]["content"]
        long = (await client.post(f"{server.http_url}/chat/completions", json={**body, "ignore_eos": True})).json()
        assert (long["usage"]["completion_tokens"], long["choices"][0]["finish_reason"]) == (40, "length")


def test_what_needs_a_model_says_that_the_mock_is_none() -> None:
    command = [sys.executable, "-m", "npc_engine.cli", "doctor", "--model", "mock"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert "The mock is no model." in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
