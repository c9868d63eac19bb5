"""The Python client against a real server: what a game in Python writes, and what it sees when things go wrong."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import websockets
import websockets.asyncio.server

from bridge.client import Client, ConnectionLost, ProtocolError, ServerUnreachable, Speaker
from bridge.codec import MSGPACK
from bridge.protocol import MemoryCompacted, Stats, Welcome
from bridge.server import Server
from tests.bridge.conftest import LIMITS, Serve
from tests.bridge.scripted_world import ScriptedWorld


@pytest.fixture(params=["npc.v1.msgpack", "npc.v1.json"])
async def npc(server: Server, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with Client(server.url, subprotocol=request.param) as client:
        await client.spawn("greta", persona="greta")
        yield client


async def test_a_reply_is_read_piece_by_piece_and_as_a_whole(npc: Client) -> None:
    reply = npc.say("greta", "Hello", speaker=Speaker(id="p1", name="Mira"))
    assert [piece async for piece in reply] == ["Good ", "morning."]
    assert (await reply).text == "Good morning."
    assert (await reply.done()).finish == "stop"
    assert [piece async for piece in reply] == ["Good ", "morning."]
    assert [sentence async for sentence in reply.sentences()] == ["Good morning."]
    assert reply.ended


async def test_all_of_an_npc_can_be_asked_for(npc: Client) -> None:
    assert npc.welcome.limits == LIMITS
    assert [summary.npc for summary in await npc.list()] == ["greta"]
    info = await npc.inspect("greta")
    assert (info.persona, info.kv.tier, info.journal[0].text) == ("greta", "ram", "Hello")
    assert 0 < await npc.ping() < 5
    await npc.despawn("greta")
    assert await npc.list(active=True) == []


async def test_many_replies_run_at_once(npc: Client, world: ScriptedWorld) -> None:
    await npc.spawn("tom", persona="tom")
    world.paused.add("greta")
    slow, quick = npc.say("greta", "Hello"), npc.say("tom", "Hello", speaker="mira")
    assert (await quick).text == "Good morning."
    assert not slow.ended
    world.go_on.set()
    assert (await slow).npc == "greta"


async def test_a_cancelled_reply_ends_with_what_was_said(npc: Client, world: ScriptedWorld) -> None:
    world.paused.add("greta")
    reply = npc.say("greta", "Hello")
    pieces = []
    async for piece in reply:
        pieces.append(piece)
        reply.cancel()
    done = await reply
    assert (pieces, done.text, done.finish) == (["Good "], "Good ", "cancelled")
    reply.cancel()


async def test_events_are_remembered_or_answered(npc: Client, world: ScriptedWorld) -> None:
    assert await npc.event(["greta"], "Thunder.", kind="weather", salience=0.9) == []
    reactions = npc.event(["greta"], "Lightning.", silent=False)
    assert [(part.npc, part.type) async for part in reactions] == [
        ("greta", "reply.delta"),
        ("greta", "reply.delta"),
        ("greta", "reply.sentence"),
        ("greta", "reply.done"),
    ]
    assert [done.text for done in await reactions] == ["Good morning."]
    world.paused.add("greta")
    reactions = npc.event(["greta"], "Rain.", silent=False)
    reactions.cancel()
    with pytest.raises(ProtocolError) as caught:
        await reactions
    assert caught.value.code == "cancelled"


async def test_an_abandoned_question_is_cancelled(npc: Client, world: ScriptedWorld) -> None:
    world.paused.add("greta")
    reply = npc.say("greta", "Hello")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reply
    assert not reply.ended  # awaiting a reply is only listening
    reply.cancel()
    assert (await reply).finish == "cancelled"


async def test_errors_carry_code_and_path(npc: Client) -> None:
    reply = npc.say("nobody", "Hello")
    with pytest.raises(ProtocolError, match="Spawn it first") as caught:
        await reply
    assert caught.value.code == "unknown_npc"
    with pytest.raises(ProtocolError, match="Spawn it first"):
        async for _ in reply:
            pass
    with pytest.raises(ProtocolError, match="There are greta and tom") as caught:
        await npc.spawn("x", persona="x")
    assert caught.value.code == "unknown_persona"


async def test_mistakes_are_told_before_they_are_sent(npc: Client) -> None:
    with pytest.raises(ProtocolError, match="not empty") as caught:
        npc.say("greta", "")
    assert (caught.value.code, caught.value.path) == ("bad_message", "text")
    with pytest.raises(ProtocolError, match="at most 65536") as caught:
        await npc.say("greta", "x" * 2_000_000)
    assert caught.value.code == "limit_size"
    with pytest.raises(ProtocolError, match="whole characters") as caught:
        await npc.say("greta", "\ud800")
    assert (await npc.say("greta", "Hello")).finish == "stop"


async def test_compacted_memories_are_announced(server: Server, world: ScriptedWorld) -> None:
    world.compacts = True
    announced: list[MemoryCompacted] = []
    async with Client(server.url, on_compacted=announced.append) as npc:
        await npc.spawn("greta", persona="greta")
        assert (await npc.say("greta", "Hello")).finish == "stop"
    assert [(message.npc, message.tokens_before, message.tokens_after) for message in announced] == [
        ("greta", 900, 500)
    ]


async def test_an_operator_sees_and_sets_what_the_server_keeps(npc: Client, world: ScriptedWorld) -> None:
    await npc.hint(["greta"], eta_ms=250)
    assert world.hinted == [(["greta"], 0.25)]
    await npc.budget(ram_bytes=512)
    stats = await npc.stats()
    assert (stats.sessions, stats.npcs.active, stats.tiers["ram"].budget) == (1, 1, 512)
    with pytest.raises(ProtocolError, match="Allow at least 100 bytes") as caught:
        await npc.budget(device_bytes=1)
    assert (caught.value.code, caught.value.path) == ("bad_message", "device_bytes")
    with pytest.raises(ProtocolError, match="Expected one of `device_bytes`"):
        await npc.budget()


async def test_subscribed_stats_are_told_to_whoever_listens(server: Server) -> None:
    told: asyncio.Queue[Stats] = asyncio.Queue()
    async with Client(server.url, on_stats=told.put_nowait) as npc:
        await npc.subscribe("stats")
        assert (await told.get()).sessions == 1
        assert (await npc.stats()).sessions == 1
        await npc.subscribe()
        assert told.empty()


async def test_a_failing_callback_fails_no_reply(
    server: Server, world: ScriptedWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.compacts = True

    def fail(message: MemoryCompacted) -> None:
        raise ZeroDivisionError

    async with Client(server.url, on_compacted=fail) as npc:
        await npc.spawn("greta", persona="greta")
        assert (await npc.say("greta", "Hello")).finish == "stop"
    assert "on_compacted failed" in caplog.text


async def test_a_server_that_talks_nonsense_ends_the_connection_and_nobody_waits() -> None:
    async def nonsense(peer: websockets.asyncio.server.ServerConnection) -> None:
        await peer.recv()
        welcome = Welcome(session="s", protocol=1, server="x", limits=LIMITS, capabilities=[], model="")
        await peer.send(MSGPACK.encode(welcome.to_wire()))
        await peer.recv()
        await peer.send(MSGPACK.encode({"type": "scene.line", "text": "from a later version"}))
        await peer.send(b"\xc1")

    subprotocols = [websockets.Subprotocol(MSGPACK.subprotocol)]
    async with websockets.asyncio.server.serve(nonsense, "127.0.0.1", 0, subprotocols=subprotocols) as other:
        port = other.sockets[0].getsockname()[1]
        async with Client(f"ws://127.0.0.1:{port}") as npc:
            with pytest.raises(ConnectionLost, match="can't be read"):
                await npc.ping()


async def test_a_token_is_asked_for_and_accepted(serve: Serve) -> None:
    async with serve(token="secret") as server:
        for token in (None, "guess"):
            with pytest.raises(ProtocolError, match="ask whoever runs the server") as caught:
                await Client(server.url, token=token).__aenter__()
            assert (caught.value.code, caught.value.path) == ("unauthorized", "token")
        async with Client(server.url, token="secret") as npc:
            await npc.ping()


async def test_open_replies_end_when_the_server_goes(npc: Client, server: Server, world: ScriptedWorld) -> None:
    world.paused.add("greta")
    reply = npc.say("greta", "Hello")
    await anext(aiter(reply))
    await server.close(grace=0)
    assert (await reply).finish == "cancelled"
    await asyncio.sleep(0.05)
    with pytest.raises(ConnectionLost, match="shutting down"):
        await npc.ping()
    with pytest.raises(ConnectionLost):
        await npc.say("greta", "Hello")


async def test_what_waits_ends_when_the_client_is_closed(server: Server, world: ScriptedWorld) -> None:
    async with Client(server.url) as npc:
        await npc.spawn("greta", persona="greta")
        world.paused.add("greta")
        reply = npc.say("greta", "Hello")
        await anext(aiter(reply))
    with pytest.raises(ConnectionLost):
        await reply
    await npc.close()


async def test_nobody_there_is_told_with_what_to_do(serve: Serve) -> None:
    async with serve() as server:
        url = server.url
    with pytest.raises(ServerUnreachable, match="npc-engine serve"):
        await Client(url).__aenter__()


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:1", "ws://"])
async def test_what_is_no_address_is_told_so(url: str) -> None:
    with pytest.raises(ServerUnreachable, match="is no address"):
        await Client(url).__aenter__()


async def test_another_kind_of_server_is_recognised() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(ServerUnreachable, match="is no NPC Engine"):
            await Client(f"ws://127.0.0.1:{port}").__aenter__()


async def test_a_server_of_web_pages_is_recognised() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 404 Not Found\r\nContent-Length: 15\r\n\r\n{"error": "no"}')
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(ServerUnreachable, match=r"is no WebSocket of an NPC Engine \(HTTP status 404\)") as refusal:
            await Client(f"ws://127.0.0.1:{port}").__aenter__()
    assert "npc-engine serve" in refusal.value.remedy


async def test_a_websocket_server_that_speaks_otherwise_is_recognised() -> None:
    async def chatter(socket: websockets.asyncio.server.ServerConnection) -> None:
        await socket.send("hi there")

    async with websockets.asyncio.server.serve(chatter, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        with pytest.raises(ServerUnreachable):
            await Client(f"ws://127.0.0.1:{port}").__aenter__()


async def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ServerUnreachable, match=r"within 0\.1 seconds"):
            await Client(f"ws://127.0.0.1:{port}", timeout=0.1).__aenter__()
