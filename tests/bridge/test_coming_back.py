"""Connections that are lost and made again, over real sockets: nothing is lost, nothing comes twice."""

import asyncio
import socket
from typing import Any

import pytest
from websockets.frames import CloseCode

from bridge.client import Client, ConnectionLost
from bridge.connection import Patience
from bridge.protocol import Limits
from bridge.server import Server
from tests.bridge.conftest import LIMITS, QUICK, Serve
from tests.bridge.raw_client import RawClient
from tests.bridge.scripted_world import ScriptedWorld

SPAWN = {"type": "npc.spawn", "npc": "greta", "persona": "greta", "id": "spawn"}
SAY = {"type": "say", "npc": "greta", "speaker": {"id": "p1", "name": "Mira"}, "text": "Hello", "id": 1}
LONG = [f"{number} " for number in range(200)]


async def spawned(raw: RawClient) -> None:
    assert (await raw.ask(**SPAWN))["type"] == "ok"


def last_seq(messages: list[dict[str, Any]]) -> int:
    return max(message["seq"] for message in messages)


def resume(welcome: dict[str, Any], last_seq: int) -> dict[str, Any]:
    return {"session": welcome["session"], "last_seq": last_seq}


async def lost(raw: RawClient) -> None:
    """Lose the connection as a network does: without a closing frame."""
    raw.socket.transport.abort()
    await raw.socket.wait_closed()


# On the wire


@pytest.mark.parametrize("subprotocol", ["npc.v1.msgpack", "npc.v1.json"])
async def test_a_reply_goes_on_where_it_was_cut_off(server: Server, world: ScriptedWorld, subprotocol: str) -> None:
    world.paused.add("greta")
    world.pieces = LONG
    async with RawClient(server.url) as raw:
        welcome = await raw.greet()
        assert welcome["resume_window_ms"] == 60_000
        await spawned(raw)
        await raw.send(**SAY)
        got = await raw.until("reply.delta")
        await lost(raw)
    world.go_on.set()
    await asyncio.sleep(0.05)
    async with RawClient(server.url, subprotocol) as raw:
        again = await raw.greet(resume=resume(welcome, last_seq(got)))
        assert (again["session"], again["resumed"], "seq" in again) == (welcome["session"], True, False)
        got += await raw.until("reply.done")
    assert "".join(part["text"] for part in got if part["type"] == "reply.delta") == "".join(LONG)
    assert [part["seq"] for part in got] == list(range(3, 3 + len(got)))
    assert world.cancelled == []


async def test_a_line_whose_fate_is_unknown_may_simply_be_sent_again(server: Server, world: ScriptedWorld) -> None:
    async with RawClient(server.url) as raw:
        welcome = await raw.greet()
        await spawned(raw)
        await raw.send(**SAY)
        await raw.until("reply.start")
        await lost(raw)
    async with RawClient(server.url) as raw:
        await raw.greet(resume=resume(welcome, 2))
        await raw.send(**SAY)
        await raw.send(**{**SAY, "id": 2})
        got = await raw.until("reply.done")
        got += await raw.until("reply.done")
    assert [message["re"] for message in got if message["type"] == "reply.done"] == [1, 2]
    assert [message["re"] for message in got if message["type"] == "reply.start"] == [1, 2]
    assert len(world.said) == 2


async def test_who_comes_back_while_the_old_connection_seems_to_be_there_takes_over(
    server: Server, world: ScriptedWorld
) -> None:
    world.paused.add("greta")
    async with RawClient(server.url) as old, RawClient(server.url) as new:
        welcome = await old.greet()
        await spawned(old)
        await old.send(**SAY)
        got = await old.until("reply.delta")
        assert (await new.greet(resume=resume(welcome, last_seq(got))))["resumed"]
        received, code = await old.everything()
        assert ([message["type"] for message in received], code) == (["bye"], 4001)
        world.go_on.set()
        assert (await new.until("reply.done"))[-1]["text"] == "Good morning."
        assert (await new.ask(type="stats", id=2))["sessions"] == 1


async def test_who_leaves_with_a_word_is_not_waited_for(server: Server) -> None:
    async with RawClient(server.url) as raw:
        welcome = await raw.greet()
    async with RawClient(server.url) as raw:
        again = await raw.greet(resume=resume(welcome, 1))
    assert (again["resumed"], again["seq"], again["session"] == welcome["session"]) == (False, 1, False)


async def test_who_is_away_too_long_begins_anew_and_what_ran_is_cancelled(serve: Serve, world: ScriptedWorld) -> None:
    world.paused.add("greta")
    async with serve(resume_window=0.2) as server:
        async with RawClient(server.url) as raw:
            welcome = await raw.greet()
            await spawned(raw)
            await raw.send(**SAY)
            await raw.until("reply.delta")
            await lost(raw)
        async with asyncio.timeout(3):
            while world.running or len(server._hosts):
                await asyncio.sleep(0.02)
        assert world.cancelled == ["greta"]
        async with RawClient(server.url) as raw:
            assert not (await raw.greet(resume=resume(welcome, 3)))["resumed"]


async def test_a_stolen_session_is_worth_nothing_without_the_token(serve: Serve) -> None:
    async with serve(token="secret") as server, RawClient(server.url) as owner, RawClient(server.url) as thief:
        welcome = await owner.greet(token="secret")
        await thief.send(
            type="hello", protocol=1, client={"name": "thief"}, token="guess", resume=resume(welcome, 1), id=1
        )
        received, code = await thief.everything()
        assert ([message["type"] for message in received], code) == (["error", "bye"], CloseCode.POLICY_VIOLATION)
        assert (await owner.ask(type="ping"))["type"] == "pong"


async def test_who_reads_too_slowly_comes_back_for_all_of_it(serve: Serve, world: ScriptedWorld) -> None:
    world.pieces = ["x" * 8000 for _ in range(60)]
    limits = Limits(queue_bytes=32 * 1024, resume_bytes=16 * 2**20)
    async with serve(limits=limits, patience=Patience(hello=1, flush=0.2, close=0.2, cancel=1)) as server:
        with socket.create_connection((server.host, server.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow = RawClient(server.url, sock=connection, max_queue=1, ping_interval=None)
            await slow.__aenter__()
            welcome = await slow.greet()
            await spawned(slow)
            for id in range(4):
                await slow.send(**{**SAY, "id": id})
            await asyncio.sleep(0.5)
            assert world.cancelled == []
            got, _ = await slow.everything()
        numbers = [message["seq"] for message in got if "seq" in message]
        async with RawClient(server.url) as raw:
            assert (await raw.greet(resume=resume(welcome, max(numbers, default=2))))["resumed"]
            while sum(message["type"] == "reply.done" for message in got) < 4:
                got.append(await raw.receive())
    for id in range(4):
        mine = [message for message in got if message.get("re") == id]
        assert "".join(message["text"] for message in mine if message["type"] == "reply.delta") == "x" * 480_000
    numbers = [message["seq"] for message in got if "seq" in message]
    assert numbers == list(range(3, 3 + len(numbers)))


# The Python client


async def test_a_client_does_not_notice_that_its_connection_was_lost(server: Server, world: ScriptedWorld) -> None:
    world.paused.add("greta")
    world.pieces = LONG
    async with Client(server.url) as npc:
        await npc.spawn("greta", persona="greta")
        reply = npc.say("greta", "Hello")
        pieces = aiter(reply)
        got = [await anext(pieces)]
        assert npc._socket is not None
        npc._socket.transport.abort()
        world.go_on.set()
        got += [piece async for piece in pieces]
        assert "".join(got) == (await reply).text == "".join(LONG)
        assert await npc.ping() > 0
    assert len(world.said) == 1


async def test_what_was_asked_while_nobody_was_there_is_asked_afterwards(server: Server, world: ScriptedWorld) -> None:
    async with Client(server.url) as npc:
        await npc.spawn("greta", persona="greta")
        assert npc._socket is not None
        npc._socket.transport.abort()
        replies = [npc.say("greta", f"Line {number}") for number in range(3)]
        world.paused.add("greta")
        late = npc.say("greta", "Wait")
        late.cancel()
        world.go_on.set()
        assert [(await reply).finish for reply in replies] == ["stop"] * 3
        await late
    assert [say.text for say in world.said][:3] == ["Line 0", "Line 1", "Line 2"]


async def test_a_session_that_is_gone_fails_what_was_open_and_nothing_else(serve: Serve, world: ScriptedWorld) -> None:
    world.paused.add("greta")
    async with serve(resume_window=5) as server, Client(server.url) as npc:
        await npc.spawn("greta", persona="greta")
        first = npc.welcome.session
        reply = npc.say("greta", "Hello")
        await anext(aiter(reply))
        assert npc._socket is not None
        npc._socket.transport.abort()
        for host in server._hosts._sessions:
            server._hosts._sessions.discard(host)
        with pytest.raises(ConnectionLost, match="and the session with it"):
            await reply
        assert await npc.ping() > 0
        assert npc.welcome.session != first


async def test_a_client_gives_up_when_the_window_has_passed(serve: Serve, world: ScriptedWorld) -> None:
    world.paused.add("greta")
    async with serve(resume_window=0.3) as server, Client(server.url) as npc:
        await npc.spawn("greta", persona="greta")
        reply = npc.say("greta", "Hello")
        await anext(aiter(reply))
        assert server._listener is not None
        server._listener.close(close_connections=False)
        assert npc._socket is not None
        npc._socket.transport.abort()
        with pytest.raises(ConnectionLost):
            await reply
        with pytest.raises(ConnectionLost):
            await npc.ping()


async def test_a_storm_of_clients_that_were_cut_off_recovers_with_nothing_lost_or_doubled(
    serve: Serve, world: ScriptedWorld
) -> None:
    world.pieces = ["a ", "b ", "c "]
    limits = LIMITS.model_copy(update={"npcs": 1})
    async with asyncio.timeout(60), serve(limits=limits, patience=QUICK) as server:
        clients = [Client(server.url, timeout=30) for _ in range(60)]
        for client in clients:
            await client.__aenter__()
        await clients[0].spawn("greta", persona="greta")
        replies = []
        for _ in range(3):
            replies += [client.say("greta", "Hello") for client in clients]
            await asyncio.sleep(0.01)
            for client in clients:
                assert client._socket is not None
                client._socket.transport.abort()
            replies += [client.say("greta", "And?") for client in clients]
            for reply in replies:
                assert "".join([piece async for piece in reply]) == (await reply).text == "a b c "
        assert len(world.said) == len(replies)
        assert world.cancelled == []
        await asyncio.gather(*(client.close() for client in clients))
