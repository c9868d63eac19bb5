"""What those who subscribe are told over real sockets: of a world with minds, whose words come from the mock."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client import Client, ProtocolError
from bridge.log_feed import PLACES
from bridge.protocol import LogLine, NpcChanged
from bridge.server import Server
from npc_engine.errors import OperatorError
from npc_engine.inference.grammar import Grammars
from npc_engine.inference.mock.load import FOLDER, load_mock
from npc_engine.inference.request import Budgets
from npc_engine.mind.markup import read_markup
from npc_engine.mind.mind import Language
from tests.bridge.raw_client import RawClient
from tests.village import Village, open_village

ENGINE = logging.getLogger("npc_engine.inference.kv.disk")
SECRET = "Rumpelstiltskin"


@pytest.fixture(autouse=True)
async def in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(30):
        yield


@pytest.fixture
async def village(tmp_path: Path) -> AsyncIterator[Village]:
    mock = load_mock(max_context=4096, seed=0, pace=0.0, budgets=Budgets())
    markup, grammars = read_markup(FOLDER, mock.tokenizer), Grammars(FOLDER, mock.end_ids)
    language = Language(mock.tokenizer, markup, mock.end_ids, grammars)
    async with open_village(tmp_path / "data", mock.generator, language) as village:
        yield village


@pytest.fixture
async def server(village: Village) -> AsyncIterator[Server]:
    async with Server(village.world, port=0, grace=0.5) as server:
        yield server


@pytest.fixture
async def game(server: Server) -> AsyncIterator[Client]:
    async with Client(server.url) as game:
        yield game


async def subscribed(raw: RawClient, *topics: str) -> dict[str, Any]:
    """Greet and subscribe; what the server said in greeting."""
    welcome = await raw.greet()
    assert (await raw.ask(type="subscribe", id=1, topics=[*topics]))["type"] == "ok"
    return welcome


async def until_pong(raw: RawClient) -> list[dict[str, Any]]:
    """All that came before the answer to a ping that is sent now."""
    await raw.send(type="ping", id="now")
    return (await raw.until("pong"))[:-1]


async def lost(raw: RawClient) -> None:
    """Lose the connection as a network does: without a closing frame."""
    raw.socket.transport.abort()
    await raw.socket.wait_closed()


def in_thread(count: int) -> None:
    """Log so many lines in a thread of their own."""
    thread = threading.Thread(target=lambda: [ENGINE.warning("line %d", number) for number in range(count)])
    thread.start()
    thread.join()


# NPCs


async def test_what_one_client_does_another_one_is_told_and_nothing_that_was_said(server: Server, game: Client) -> None:
    async with RawClient(server.url, "npc.v1.json") as watching:
        await subscribed(watching, "npc")
        await game.spawn("ada", persona="ada")
        reply = await game.say("ada", f"The password is {SECRET}.")
        await game.update("ada", mood="angry", state={"story": SECRET})
        await game.despawn("ada")
        await game.forget("ada")
        told = await until_pong(watching)
    assert [message["type"] for message in told] == ["npc.changed"] * 5
    assert [(message["what"], message["active"], message["mood"]) for message in told] == [
        ("spawned", True, "calm"),
        ("spoke", True, "calm"),
        ("updated", True, "angry"),
        ("despawned", False, "angry"),
        ("forgotten", False, "angry"),
    ]
    assert {(message["npc"], message["persona"], message["name"]) for message in told} == {("ada", "ada", "Ada")}
    assert not any("re" in message for message in told)
    assert [message["seq"] for message in told] == [3, 4, 5, 6, 7]
    assert SECRET not in str(told)
    assert reply.text not in str(told)


async def test_who_acts_is_told_too_after_it_was_said_that_the_subscription_holds(server: Server) -> None:
    async with RawClient(server.url) as raw:
        await raw.greet()
        await raw.send(type="subscribe", id=1, topics=["npc"])
        await raw.send(type="npc.spawn", id=2, npc="ada", persona="ada")
        told = [await raw.receive() for _ in range(3)]
    assert [(message["type"], message.get("re")) for message in told] == [("ok", 1), ("npc.changed", None), ("ok", 2)]


async def test_an_empty_list_ends_it_and_another_one_replaces_it(
    server: Server, village: Village, game: Client
) -> None:
    async with RawClient(server.url) as watching:
        await subscribed(watching, "npc", "log")
        assert (await watching.ask(type="subscribe", id=2, topics=["log"]))["type"] == "ok"
        await game.spawn("ada", persona="ada")
        in_thread(1)
        assert (await watching.receive())["text"] == "line 0"
        assert (await watching.ask(type="subscribe", id=3, topics=[]))["type"] == "ok"
        await game.spawn("bo", persona="bo")
        in_thread(1)
        assert await until_pong(watching) == []
    assert len(village.world._watchers) == 0


async def test_a_topic_that_there_is_not_is_refused_and_what_was_subscribed_to_stays(
    server: Server, game: Client
) -> None:
    async with RawClient(server.url) as watching:
        await subscribed(watching, "npc")
        error = await watching.ask(type="subscribe", id=2, topics=["log", "scene"])
        assert (error["code"], error["path"], error["re"]) == ("bad_message", "topics[1]", 2)
        assert "expected 'stats', 'npc' or 'log', got 'scene'" in error["message"]
        await game.spawn("ada", persona="ada")
        in_thread(1)
        assert [message["type"] for message in await until_pong(watching)] == ["npc.changed"]
    with pytest.raises(ProtocolError, match="got 'scene'"):
        await game.subscribe("scene")  # type: ignore[arg-type]


async def test_what_happened_while_the_connection_was_lost_comes_afterwards_without_gaps(
    server: Server, game: Client
) -> None:
    async with RawClient(server.url) as watching:
        welcome = await subscribed(watching, "npc", "log", "stats")
        await game.spawn("ada", persona="ada")
        got = [await watching.receive(), await watching.receive()]
        await lost(watching)
    await game.update("ada", mood="angry")
    await game.spawn("bo", persona="bo")
    in_thread(2)
    await game.despawn("ada")
    async with RawClient(server.url, "npc.v1.json") as watching:
        last = max(message["seq"] for message in got)
        again = await watching.greet(resume={"session": welcome["session"], "last_seq": last})
        assert again["resumed"]
        missed = await until_pong(watching)
        await game.forget("bo")
        got += [*missed, *(await watching.until("npc.changed"))]
    assert [(m["npc"], m["what"], m["mood"]) for m in missed if m["type"] == "npc.changed"] == [
        ("ada", "despawned", "angry"), ("bo", "spawned", "calm"),
    ]  # fmt: skip
    assert [message["text"] for message in missed if message["type"] == "log"] == ["line 0", "line 1"]
    assert (got[-1]["npc"], got[-1]["what"]) == ("bo", "forgotten")
    # The pong has a number, too.
    numbers = [message["seq"] for message in got]
    assert sorted({*numbers, numbers[-1] - 1}) == list(range(3, numbers[-1] + 1))


async def test_a_client_that_is_gone_is_told_nothing_more_and_nobody_is_listened_to(
    server: Server, village: Village
) -> None:
    handlers = list(logging.getLogger("bridge").handlers)
    async with RawClient(server.url) as watching:
        await subscribed(watching, "npc", "log")
        assert len(village.world._watchers) == 1
        assert len(logging.getLogger("bridge").handlers) == len(handlers) + 1
    while village.world._watchers or logging.getLogger("bridge").handlers != handlers:
        await asyncio.sleep(0.01)
    assert not server.clients


async def test_a_server_that_ends_lets_go_of_world_and_log(village: Village) -> None:
    handlers = list(logging.getLogger("npc_engine").handlers)
    server = Server(village.world, port=0, grace=0.1)
    await server.start()
    async with RawClient(server.url) as connected, RawClient(server.url) as away:
        await subscribed(connected, "npc", "log")
        await subscribed(away, "npc", "log")
        await lost(away)
        await server.close()
        await connected.everything()
    assert len(village.world._watchers) == 0
    assert logging.getLogger("npc_engine").handlers == handlers


# The log


@pytest.mark.parametrize("subprotocol", ["npc.v1.msgpack", "npc.v1.json"])
async def test_a_line_of_another_thread_arrives(server: Server, subprotocol: str) -> None:
    async with RawClient(server.url, subprotocol) as watching:
        await subscribed(watching, "log")
        in_thread(1)
        line = await watching.receive()
    assert set(line) == {"type", "seq", "level", "logger", "text", "at"}
    assert (line["type"], line["seq"]) == ("log", 3)
    assert (line["level"], line["logger"], line["text"]) == ("warning", ENGINE.name, "line 0")


async def test_a_burst_of_lines_costs_neither_time_nor_memory(server: Server, game: Client) -> None:
    async with RawClient(server.url) as watching:
        await subscribed(watching, "log")
        in_thread(10_000)
        assert await game.ping() < 5
        [session] = [host.session for host in server._hosts._sessions if host.session.kept_bytes > 10_000]
        assert session.kept_bytes < 500 * PLACES
        told = await until_pong(watching)
    assert [line["text"] for line in told] == [f"line {number}" for number in range(PLACES)]
    assert [line["seq"] for line in told] == list(range(3, 3 + PLACES))


async def test_what_fails_is_told_without_what_was_said(
    server: Server, village: Village, game: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*entries: object) -> None:
        raise failures.pop()

    failures: list[Exception] = [OperatorError("The disk is full."), KeyError(SECRET)]
    await game.spawn("ada", persona="ada")
    async with RawClient(server.url) as watching:
        await subscribed(watching, "log")
        monkeypatch.setattr(village.journal, "append", refuse)
        for _ in range(2):
            with pytest.raises(ProtocolError, match="Something is wrong in the server"):
                await game.say("ada", f"The password is {SECRET}.")
        with pytest.raises(ProtocolError, match="tokens long"):
            await game.say("ada", f"The password is {SECRET}. " * 100)
        unexpected, full = await until_pong(watching)
    assert (unexpected["level"], unexpected["logger"]) == ("error", "bridge.errand")
    assert unexpected["text"].endswith("failed")
    assert full["text"].endswith("failed: The disk is full.")
    assert SECRET not in str((unexpected, full))


# The Python client


async def test_the_client_tells_whoever_listens(server: Server, game: Client) -> None:
    changes: asyncio.Queue[NpcChanged] = asyncio.Queue()
    lines: asyncio.Queue[LogLine] = asyncio.Queue()
    async with Client(server.url, on_changed=changes.put_nowait, on_log=lines.put_nowait) as watching:
        await watching.subscribe("npc", "log")
        await game.spawn("ada", persona="ada")
        in_thread(1)
        change, line = await changes.get(), await lines.get()
        assert (change.npc, change.what, change.active) == ("ada", "spawned", True)
        assert (line.level, line.text) == ("warning", "line 0")
        await watching.subscribe()
        await game.forget("ada")
        await watching.ping()
        assert (changes.empty(), lines.empty()) == (True, True)


async def test_a_listener_that_fails_in_the_servers_own_process_is_not_told_of_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(line: LogLine) -> None:
        raise ZeroDivisionError

    async with Client(server.url, on_log=fail) as watching:
        await watching.subscribe("log")
        in_thread(1)
        for _ in range(5):
            await watching.ping()
    assert caplog.text.count("on_log failed") == 1
