"""Real clients over real sockets: what the server does for them, to them, and in spite of them."""

import asyncio
import logging
import socket

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode

from bridge.connection import Patience
from bridge.listening import is_loopback
from bridge.protocol import Limits
from bridge.server import FLOOD_BYTES, Server
from npc_engine.errors import DeadlinePassed, OperatorError, Overloaded
from npc_engine.world.events import Update
from tests.bridge.conftest import QUICK, Serve
from tests.bridge.raw_client import GREETING, RawClient
from tests.bridge.scripted_world import ScriptedWorld

SPAWN = {"type": "npc.spawn", "npc": "greta", "persona": "greta", "id": "spawn"}
SAY = {"type": "say", "npc": "greta", "speaker": {"id": "p1", "name": "Mira"}, "text": "Hello", "id": 1}


async def spawned(raw: RawClient, *npcs: str) -> None:
    for npc in npcs or ("greta",):
        answer = await raw.ask(**{**SPAWN, "npc": npc})
        assert (answer["type"], answer["re"]) == ("ok", "spawn")


async def alive(raw: RawClient) -> None:
    answer = await raw.ask(type="ping", id="alive")
    assert (answer["type"], answer["re"]) == ("pong", "alive")


async def idle(world: ScriptedWorld) -> None:
    async with asyncio.timeout(3):
        while world.running:
            await asyncio.sleep(0.01)


async def gone(server: Server) -> None:
    """Wait until nobody is connected."""
    async with asyncio.timeout(3):
        while server.clients:
            await asyncio.sleep(0.01)


# Talking


@pytest.mark.parametrize("subprotocol", ["npc.v1.msgpack", "npc.v1.json"])
async def test_a_line_is_answered_in_pieces_sentences_and_whole(
    server: Server, world: ScriptedWorld, subprotocol: str
) -> None:
    world.compacts = True
    async with RawClient(server.url, subprotocol) as raw:
        await raw.greet()
        await spawned(raw)
        await raw.send(**SAY, hearers=["tom"], priority="ambient", max_tokens=40)
        reply = await raw.until("reply.done")
    assert "".join(part["text"] for part in reply if part["type"] == "reply.delta") == "Good morning."
    assert [part["text"] for part in reply if part["type"] == "reply.sentence"] == ["Good morning."]
    [compacted] = [part for part in reply if part["type"] == "memory.compacted"]
    assert (compacted["npc"], compacted["tokens_before"], compacted["tokens_after"]) == ("greta", 900, 500)
    assert "re" not in compacted
    done = reply[-1]
    assert (done["text"], done["finish"], done["mood"]) == ("Good morning.", "stop", "calm")
    assert done["usage"] == {"prompt_tokens": 20, "cached_tokens": 15, "completion_tokens": 5}
    assert set(done["timings"]) == {"queue", "restore", "prefill", "first_token", "total"}
    assert all(part["npc"] == "greta" for part in reply)
    assert [part["seq"] for part in reply] == list(range(3, 3 + len(reply)))
    [say] = world.said
    assert (say.speaker.name, say.hearers, say.priority.name, say.max_tokens) == ("Mira", ("tom",), "AMBIENT", 40)


async def test_npcs_are_listed_and_inspected(raw: RawClient, world: ScriptedWorld) -> None:
    await spawned(raw, "greta", "other")
    assert (await raw.ask(type="npc.despawn", id=1, npc="other"))["type"] == "ok"
    listing = await raw.ask(type="npc.list", id=2)
    assert [(npc["npc"], npc["active"]) for npc in listing["npcs"]] == [("greta", True), ("other", False)]
    assert len((await raw.ask(type="npc.list", id=3, active=True))["npcs"]) == 1
    info = await raw.ask(type="npc.inspect", id=4, npc="greta")
    assert info["type"] == "npc.info"
    tiers = {"device": 24, "ram": 1000, "disk": 0}
    assert info["kv"] == {"bytes": 1024, "tier": "ram", "tiers": tiers, "tokens": 380}
    assert info["journal"] == [{"speaker": "Mira", "text": "Hello", "at": 1000.0}]
    assert info["relationships"] == {"tom": {"trust": 0.5, "notes": ["owes her flour"]}}


async def test_a_silent_event_is_acknowledged(raw: RawClient, world: ScriptedWorld) -> None:
    await spawned(raw)
    answer = await raw.ask(type="event", id=5, hearers=["greta"], text="Thunder.", kind="weather", salience=1)
    assert (answer["type"], answer["re"]) == ("ok", 5)
    assert (world.happened[0].kind, world.happened[0].salience) == ("weather", 1.0)


async def test_every_hearer_reacts_to_an_event_that_is_not_silent(raw: RawClient) -> None:
    await spawned(raw, "greta", "tom")
    await raw.send(type="event", id=5, hearers=["greta", "tom"], text="Thunder.", silent=False)
    parts = await raw.until("ok", "error")
    assert [part["npc"] for part in parts if part["type"] == "reply.done"] == ["greta", "tom"]
    assert all(part["re"] == 5 for part in parts)
    assert parts[-1]["type"] == "ok"


async def test_many_npcs_answer_at_once_over_one_connection(raw: RawClient, world: ScriptedWorld) -> None:
    await spawned(raw, "greta", "tom")
    world.paused.add("greta")
    await raw.send(**SAY)
    await raw.send(**{**SAY, "npc": "tom", "id": 2})
    first = await raw.until("reply.done")
    assert (first[-1]["npc"], first[-1]["re"]) == ("tom", 2)
    world.go_on.set()
    assert (await raw.until("reply.done"))[-1]["re"] == 1


async def test_two_clients_talk_without_hearing_each_other(server: Server, world: ScriptedWorld) -> None:
    async with RawClient(server.url) as one, RawClient(server.url, "npc.v1.json") as two:
        for raw in (one, two):
            await raw.greet()
        await spawned(one, "greta")
        await spawned(two, "tom")
        world.paused.add("greta")
        await one.send(**SAY)
        await two.send(**{**SAY, "npc": "tom"})
        assert {part["npc"] for part in await two.until("reply.done")} == {"tom"}
        world.go_on.set()
        assert {part["npc"] for part in await one.until("reply.done")} == {"greta"}


async def test_a_client_may_name_no_subprotocol(server: Server) -> None:
    async with RawClient(server.url, "npc.v1.json", subprotocols=None) as raw:
        assert (await raw.greet())["type"] == "welcome"
        await alive(raw)


async def test_pipelined_requests_find_their_npcs_as_the_earlier_ones_leave_them(
    raw: RawClient, world: ScriptedWorld
) -> None:
    world.slowness = 0.02
    await raw.send(**SPAWN)
    await raw.send(**SAY)
    assert (await raw.until("reply.done", "error"))[-1]["type"] == "reply.done"
    await raw.send(type="npc.despawn", id="despawn", npc="greta")
    await raw.send(**{**SAY, "id": 2})
    await raw.send(type="npc.list", id=3)
    parked, refused, listing = [await raw.receive() for _ in range(3)]
    assert (parked["re"], parked["type"]) == ("despawn", "ok")
    assert (refused["re"], refused["code"]) == (2, "unknown_npc")
    assert [npc["active"] for npc in listing["npcs"]] == [False]
    await raw.send(**SPAWN)
    await raw.send(**{**SAY, "id": 4}, hearers=["greta"])
    await raw.send(type="cancel", target=4)
    answers = [await raw.receive(), await raw.receive()]
    assert {(answer["re"], answer["type"]) for answer in answers} == {("spawn", "ok"), (4, "reply.done")}
    assert [say.speaker.id for say in world.said] == ["p1"]


async def test_an_npc_is_told_how_things_are(raw: RawClient, world: ScriptedWorld) -> None:
    await spawned(raw)
    news = {"state": {"place": "the forge", "health": 3.0, "wound": None}, "mood": "angry"}
    stands = {"tom": {"trust": -2}, "mira": None}
    assert (await raw.ask(type="npc.update", id=1, npc="greta", **news, relationships=stands))["type"] == "ok"
    [update] = world.updated
    assert update == Update("greta", {"place": "the forge", "health": 3, "wound": None}, "angry", stands)
    error = await raw.ask(type="npc.update", id=2, npc="greta", mood="hungry")
    assert (error["code"], error["path"], "moods are calm" in error["message"]) == ("bad_message", "mood", True)


async def test_an_npc_that_is_forgotten_is_gone_for_what_comes_after(raw: RawClient, world: ScriptedWorld) -> None:
    world.slowness = 0.02
    await spawned(raw)
    await raw.send(type="npc.forget", id=1, npc="greta")
    await raw.send(**{**SAY, "id": 2})
    forgotten, refused = [await raw.receive(), await raw.receive()]
    assert (forgotten["re"], forgotten["type"]) == (1, "ok")
    assert (refused["re"], refused["code"], refused["path"]) == (2, "unknown_npc", "npc")
    assert (await raw.ask(type="npc.forget", id=3, npc="greta"))["code"] == "unknown_npc"


# Looking after it


async def test_a_hint_reaches_the_world_in_seconds(raw: RawClient, world: ScriptedWorld) -> None:
    await spawned(raw, "greta", "tom")
    assert (await raw.ask(type="hint", id=1, npcs=["tom", "greta"], eta_ms=1500))["type"] == "ok"
    assert world.hinted == [(["tom", "greta"], 1.5)]


async def test_a_hint_about_nobody_is_told_which(raw: RawClient, world: ScriptedWorld) -> None:
    await spawned(raw)
    error = await raw.ask(type="hint", id=1, npcs=["greta", "nobody"], eta_ms=0)
    assert (error["code"], error["path"], error["re"]) == ("unknown_npc", "npcs[1]", 1)
    assert world.hinted == []


async def test_a_witness_that_is_unknown_is_told_which(raw: RawClient) -> None:
    await spawned(raw)
    error = await raw.ask(type="event", id=1, hearers=["greta", "nobody"], text="Thunder.")
    assert (error["code"], error["path"]) == ("unknown_npc", "hearers[1]")


async def test_budgets_change_for_everyone_while_others_talk(
    server: Server, raw: RawClient, world: ScriptedWorld
) -> None:
    await spawned(raw)
    world.paused.add("greta")
    await raw.send(**SAY)
    await raw.until("reply.delta")
    async with RawClient(server.url) as other:
        await other.greet()
        assert (await other.ask(type="budget", id=1, device_bytes=500, disk_bytes=0))["type"] == "ok"
        tiers = (await other.ask(type="stats", id=2))["tiers"]
        assert {name: tier["budget"] for name, tier in tiers.items()} == {"device": 500, "ram": 2000, "disk": 0}
    world.go_on.set()
    assert (await raw.until("reply.done"))[-1]["finish"] == "stop"


async def test_a_budget_below_what_one_context_needs_is_refused_and_changes_nothing(
    raw: RawClient, world: ScriptedWorld
) -> None:
    before = world.budgets
    error = await raw.ask(type="budget", id=1, ram_bytes=5, device_bytes=99)
    assert (error["code"], error["path"], error["re"]) == ("bad_message", "device_bytes", 1)
    assert "Allow at least 100 bytes." in error["message"]
    assert world.budgets == before
    await alive(raw)


async def test_stats_tell_what_there_is(server: Server, raw: RawClient) -> None:
    await spawned(raw, "greta", "tom")
    assert (await raw.ask(type="npc.despawn", id=1, npc="tom"))["type"] == "ok"
    async with RawClient(server.url) as other:
        await other.greet()
        stats = await raw.ask(type="stats", id=2)
    assert (stats["type"], stats["re"], stats["sessions"]) == ("stats", 2, 2)
    assert stats["npcs"] == {"known": 2, "active": 1, "awake": 2, "speaking": 0}
    assert set(stats["engine"]) == {
        "running", "waiting", "steps", "prompt_tokens", "cached_tokens", "generated_tokens", "parked",
    }  # fmt: skip
    assert stats["tiers"]["ram"] == {"used": 7, "budget": 2000}


async def test_who_subscribes_to_stats_gets_them_until_it_says_otherwise(
    raw: RawClient, world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.host.STATS_SECONDS", 0.01)
    assert (await raw.ask(type="subscribe", id=1, topics=["stats"]))["type"] == "ok"
    pushed = [await raw.receive() for _ in range(3)]
    assert all(stats["type"] == "stats" and "re" not in stats for stats in pushed)
    assert [stats["engine"]["steps"] for stats in pushed] == [1, 2, 3]
    assert [stats["seq"] for stats in pushed] == [3, 4, 5]
    await raw.send(type="subscribe", id=2, topics=[])
    await raw.until("ok")
    counted = world.counted
    await asyncio.sleep(0.05)
    assert world.counted == counted
    await alive(raw)


async def test_stats_that_fail_end_the_subscription_and_nothing_else(
    raw: RawClient, world: ScriptedWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.failure = ZeroDivisionError("stats")
    assert (await raw.ask(type="subscribe", id=1, topics=["stats"]))["type"] == "ok"
    await alive(raw)
    assert "gets no more stats" in caplog.text
    world.failure = None
    assert (await raw.ask(type="subscribe", id=2, topics=["stats"]))["type"] == "ok"
    assert (await raw.receive())["type"] == "stats"


async def test_a_subscriber_that_leaves_is_told_nothing_more(
    server: Server, world: ScriptedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.host.STATS_SECONDS", 0.01)
    async with RawClient(server.url) as raw:
        await raw.greet()
        await raw.send(type="subscribe", id=1, topics=["stats"])
        await raw.until("stats")
    await gone(server)
    counted = world.counted
    await asyncio.sleep(0.05)
    assert world.counted == counted


# Failing


async def test_errors_of_the_world_keep_their_code_and_remedy(raw: RawClient, world: ScriptedWorld) -> None:
    answer = await raw.ask(**{**SPAWN, "persona": "nobody"})
    assert (answer["code"], answer["re"]) == ("unknown_persona", "spawn")
    assert "There are greta and tom." in answer["message"]
    unknown = await raw.ask(**SAY)
    assert (unknown["code"], unknown["path"]) == ("unknown_npc", "npc")
    await spawned(raw)
    for number, failure in enumerate((Overloaded("Busy.", retry_after_ms=250), DeadlinePassed("Too late."))):
        world.failure = failure
        await raw.send(**{**SAY, "id": f"f{number}"})
        error = (await raw.until("error"))[-1]
        assert (error["code"], error.get("retry_after_ms")) == (failure.code, failure.retry_after_ms)


@pytest.mark.parametrize("failure", [ZeroDivisionError("secret detail"), OperatorError("The disk is full: secret.")])
async def test_internal_failures_are_told_by_an_id_that_the_log_explains(
    raw: RawClient, world: ScriptedWorld, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    await spawned(raw)
    world.failure = failure
    await raw.send(**SAY)
    error = (await raw.until("error"))[-1]
    assert (error["code"], error["re"]) == ("internal", 1)
    assert "secret" not in error["message"]
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    incident = record.getMessage().split(":")[0]
    assert incident in error["message"]
    assert "secret" in caplog.text
    await alive(raw)


async def test_an_answer_that_can_not_be_written_is_that_requests_failure_only(
    raw: RawClient, world: ScriptedWorld
) -> None:
    await spawned(raw)
    world.pieces = ["\ud800"]
    await raw.send(**SAY)
    assert (await raw.until("error"))[-1]["code"] == "internal"
    await alive(raw)


async def test_bad_frames_disturb_nobody(raw: RawClient) -> None:
    for frame in (b"", b"\xc1", b"\x91" * 5000, b"\xdf\xff\xff\xff\xff", "text", raw.codec.encode({"type": "fly"})):
        await raw.socket.send(frame)
        assert (await raw.receive())["type"] == "error"
    await alive(raw)


async def test_a_line_of_two_megabytes_is_refused_and_the_connection_lives(raw: RawClient) -> None:
    answer = await raw.ask(**{**SAY, "text": "x" * 2_000_000})
    assert (answer["type"], answer["code"], answer["re"]) == ("error", "limit_size", 1)
    await alive(raw)


async def test_a_flood_in_one_message_closes_the_connection(server: Server) -> None:
    raw = await RawClient(server.url).__aenter__()
    await raw.greet()
    await raw.socket.send(b"x" * (FLOOD_BYTES + 1))
    _, code = await raw.everything()
    assert code == CloseCode.MESSAGE_TOO_BIG


async def test_frames_without_pause_hold_up_nobody_else(server: Server, raw: RawClient) -> None:
    async with RawClient(server.url) as other:
        await other.greet()
        flood = asyncio.gather(*(raw.socket.send(raw.codec.encode({"type": "ping"})) for _ in range(900)))
        await alive(other)
        await flood
        for _ in range(900):
            assert (await raw.receive())["type"] == "pong"


# Stopping


async def test_cancel_ends_a_reply_with_what_was_said(raw: RawClient, world: ScriptedWorld) -> None:
    await spawned(raw)
    world.paused.add("greta")
    await raw.send(**SAY)
    await raw.until("reply.delta")
    await raw.send(type="cancel", target=1, id=2)
    answers = {answer["re"]: answer for answer in [await raw.receive(), await raw.receive()]}
    assert answers[2]["type"] == "ok"
    assert (answers[1]["type"], answers[1]["finish"], answers[1]["text"]) == ("reply.done", "cancelled", "Good ")
    assert world.cancelled == ["greta"]
    await alive(raw)


async def test_a_cancel_on_the_heels_of_its_line_is_answered_too(raw: RawClient, world: ScriptedWorld) -> None:
    await spawned(raw)
    world.paused.add("greta")
    await asyncio.gather(raw.send(**SAY), raw.send(type="cancel", target=1))
    assert (await raw.until("reply.done"))[-1]["finish"] == "cancelled"
    await idle(world)


async def test_a_cancelled_event_ends_its_reactions(raw: RawClient, world: ScriptedWorld) -> None:
    await spawned(raw)
    world.paused.add("greta")
    await raw.send(type="event", id=5, hearers=["greta"], text="Thunder.", silent=False)
    await raw.until("reply.delta")
    await raw.send(type="cancel", target=5)
    done, error = [await raw.receive(), await raw.receive()]
    assert (done["type"], done["finish"]) == ("reply.done", "cancelled")
    assert (error["code"], error["re"]) == ("cancelled", 5)


@pytest.mark.parametrize("on_purpose", [True, False])
async def test_a_client_that_leaves_for_good_takes_its_requests_along(
    serve: Serve, world: ScriptedWorld, on_purpose: bool
) -> None:
    world.paused.add("greta")
    async with serve(resume_window=60 if on_purpose else 0) as server:
        async with RawClient(server.url) as raw:
            await raw.greet()
            await spawned(raw)
            await raw.send(**SAY)
            await raw.until("reply.delta")
            if not on_purpose:
                raw.socket.transport.abort()
        await idle(world)
        assert world.cancelled == ["greta"]
        await gone(server)
        assert len(server._hosts) == 0


async def test_a_client_that_reads_nothing_is_closed_and_holds_up_nobody(serve: Serve, world: ScriptedWorld) -> None:
    world.pieces = ["x" * 8000 for _ in range(2500)]  # 20 MB, more than the sockets between us hold
    async with serve(limits=Limits(queue_bytes=64 * 1024, resume_bytes=256 * 1024)) as server:
        with socket.create_connection((server.host, server.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow = RawClient(server.url, sock=connection, max_queue=1, ping_interval=None)
            await slow.__aenter__()
            await slow.greet()
            await spawned(slow)
            await slow.send(**SAY)
            async with RawClient(server.url) as other:
                await other.greet()
                for _ in range(20):
                    await alive(other)
            await idle(world)
            assert world.cancelled == ["greta"]
            await gone(server)
            slow.socket.transport.abort()


async def test_a_client_that_reads_slowly_is_told_why_it_was_closed(serve: Serve, world: ScriptedWorld) -> None:
    world.pieces = ["x" * 8000 for _ in range(2500)]
    patience = Patience(hello=1, flush=3, close=3, cancel=1)
    async with serve(limits=Limits(queue_bytes=64 * 1024), patience=patience) as server, RawClient(server.url) as slow:
        await slow.greet()
        await spawned(slow)
        await slow.send(**SAY)
        await asyncio.sleep(0.3)
        received, code = await slow.everything()
        assert code == CloseCode.TRY_AGAIN_LATER
        assert received[-1]["reason"] == "reading too slowly"


# Coming in


async def test_a_foreign_page_is_refused_at_the_door(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with serve(origins=["https://game.example/"]) as server:
        for origin in ("https://evil.example", "null", "https://game.example.evil.example"):
            with pytest.raises(InvalidStatus) as refusal:
                async with RawClient(server.url, origin=origin):
                    pass
            assert refusal.value.response.status_code == 403
        assert "evil.example" in caplog.text
        async with RawClient(server.url, origin="https://GAME.example") as raw:
            assert (await raw.greet())["type"] == "welcome"


async def test_a_wrong_token_is_told_and_closed(serve: Serve) -> None:
    async with serve(token="secret") as server:
        async with RawClient(server.url) as raw:
            await raw.send(**GREETING, token="guess")
            received, code = await raw.everything()
            assert [message["type"] for message in received] == ["error", "bye"]
            assert received[0]["code"] == "unauthorized"
            assert code == CloseCode.POLICY_VIOLATION
        async with RawClient(server.url) as raw:
            assert (await raw.greet(token="secret"))["type"] == "welcome"


async def test_who_says_nothing_is_shown_out(server: Server) -> None:
    async with RawClient(server.url) as raw:
        received, code = await raw.everything()
    assert ([message["type"] for message in received], code) == (["bye"], CloseCode.POLICY_VIOLATION)


async def test_an_unknown_subprotocol_is_refused(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with RawClient(server.url, subprotocols=["chat"]):
            pass
    assert refusal.value.response.status_code == 400


async def test_too_many_clients_are_asked_to_wait(serve: Serve) -> None:
    async with serve(max_clients=1) as server, RawClient(server.url) as raw:
        await raw.greet()
        with pytest.raises(InvalidStatus) as refusal:
            async with RawClient(server.url):
                pass
        assert refusal.value.response.status_code == 503


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.168.1.5", "example.org"])
def test_other_machines_need_a_token(world: ScriptedWorld, host: str) -> None:
    with pytest.raises(OperatorError, match="--token"):
        Server(world, host=host)
    with pytest.raises(OperatorError, match="--token"):
        Server(world, host=host, token="")
    Server(world, host=host, token="secret")


def test_loopback_is_known_by_all_its_names() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))


async def test_a_port_in_use_is_told_to_the_operator(server: Server, world: ScriptedWorld) -> None:
    with pytest.raises(OperatorError, match=f"port {server.port} already.*--port 0"):
        await Server(world, port=server.port).start()


async def test_an_address_of_another_machine_is_told_to_the_operator(world: ScriptedWorld) -> None:
    with pytest.raises(OperatorError, match=r"no address '203\.0\.113\.7'"):
        await Server(world, host="203.0.113.7", token="t", port=0).start()


async def test_the_address_is_known_once_it_listens(serve: Serve) -> None:
    async with serve() as server:
        assert server.port > 0
        assert server.url == f"ws://127.0.0.1:{server.port}"


# Closing


async def test_closing_lets_replies_end(serve: Serve, world: ScriptedWorld) -> None:
    async with serve(grace=3.0) as server, RawClient(server.url) as raw:
        await raw.greet()
        await spawned(raw)
        world.paused.add("greta")
        await raw.send(**SAY)
        await raw.until("reply.delta")
        closing = asyncio.create_task(server.close())
        await asyncio.sleep(0.05)
        refusal = await raw.ask(**{**SAY, "id": 2})
        assert (refusal["code"], refusal["re"]) == ("overloaded", 2)
        with pytest.raises((OSError, InvalidStatus)):
            async with RawClient(server.url):
                pass
        world.go_on.set()
        received, code = await raw.everything()
        await closing
    assert [message["type"] for message in received][-2:] == ["reply.done", "bye"]
    assert received[-2]["finish"] == "stop"
    assert code == CloseCode.GOING_AWAY


async def test_closing_cancels_what_takes_too_long(serve: Serve, world: ScriptedWorld) -> None:
    async with serve(grace=0.05) as server, RawClient(server.url) as raw:
        await raw.greet()
        await spawned(raw)
        world.paused.add("greta")
        await raw.send(**SAY)
        await raw.until("reply.delta")
        await server.close()
        received, code = await raw.everything()
    assert [message["type"] for message in received] == ["reply.done", "bye"]
    assert (received[0]["finish"], code) == ("cancelled", CloseCode.GOING_AWAY)
    assert world.cancelled == ["greta"]


async def test_closing_twice_is_harmless_and_frees_the_port(serve: Serve, world: ScriptedWorld) -> None:
    async with serve() as server:
        await server.close()
        await server.close()
        async with Server(world, port=server.port, patience=QUICK):
            pass


async def test_a_server_that_never_started_can_be_closed(world: ScriptedWorld) -> None:
    await Server(world).close()
