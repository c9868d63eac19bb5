"""Claims about actions over the wire, with a world on random weights."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bridge.server import Server
from npc_engine.inference.load import EngineOptions, LoadedEngine, load_engine
from npc_engine.inference.thread import EngineThread
from tests.bridge.raw_client import RawClient
from tests.tiny import make_tiny
from tests.village import language_of, open_village

SCHEMA = {
    "type": "object",
    "properties": {"to": {"enum": ["Mira", "Bo"]}, "count": {"type": "integer", "minimum": 1, "maximum": 3}},
    "required": ["to", "count"],
}
WAVE = {"name": "wave", "description": "Wave a hand at someone.", "schema": SCHEMA}
FLEE = {"name": "flee", "description": "Run away from danger."}
MIRA = {"id": "p1", "name": "Mira"}
LINES = [f"Would you {verb} the {thing}?" for verb in ("give", "open", "mend", "leave") for thing in ("well", "key")]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedEngine:
    folder = make_tiny(tmp_path_factory.mktemp("actions") / "tiny")
    return load_engine(folder, EngineOptions(dtype="float32", device="cpu", max_batch=8, max_context=1024))


@pytest.fixture(scope="module")
def engine(loaded: LoadedEngine) -> Iterator[EngineThread]:
    with EngineThread(loaded.engine) as thread:
        yield thread


@pytest.fixture
async def client(tmp_path: Path, loaded: LoadedEngine, engine: EngineThread) -> AsyncIterator[RawClient]:
    async with (
        open_village(tmp_path / "data", engine, language_of(loaded)) as village,
        Server(village.world, port=0, grace=0.2) as server,
        RawClient(server.url) as client,
    ):
        await client.greet()
        await client.ask(type="npc.spawn", id="s", npc="ada", persona="ada")
        yield client


async def act(client: RawClient, **say: Any) -> dict[str, Any]:
    """Talk until the random weights want something done; all messages are checked on the way."""
    for number, line in enumerate(LINES):
        await client.send(type="say", id=f"say {number}", npc="ada", speaker=MIRA, text=line, **say)
        messages = await client.until("reply.done", "error")
        assert messages[-1]["type"] == "reply.done"
        for message in messages:
            if message["type"] == "reply.action":
                assert message["re"] == f"say {number}"
                return message
    raise AssertionError("none of the lines moves these weights: find others")


async def test_an_action_comes_and_its_result_goes(client: RawClient) -> None:
    answer = await client.ask(type="actions.register", id=1, scope={"all": True}, actions=[WAVE])
    assert answer["type"] == "ok"
    action = await act(client)
    assert action["npc"] == "ada"
    assert action["name"] == "wave"
    jsonschema.validate(action["args"], SCHEMA)
    answer = await client.ask(type="action.result", id=2, call=action["call"], ok=True, message="Mira waves back.")
    assert answer["type"] == "ok"
    info = await client.ask(type="npc.inspect", id=3, npc="ada")
    assert info["journal"][-1]["text"].endswith("was done. Mira waves back.")
    late = await client.ask(type="action.result", id=4, call=action["call"], ok=True)
    assert (late["code"], late["path"]) == ("unknown_action", "call")
    assert "reply.action" in late["message"]


async def test_a_line_right_behind_the_registration_may_name_the_action(client: RawClient) -> None:
    await client.send(type="actions.register", id=1, scope={"npc": "ada"}, actions=[WAVE, FLEE])
    await client.send(type="say", id=2, npc="ada", speaker=MIRA, text="Well?", actions=["wave", "flee"])
    assert (await client.receive())["re"] == 1
    assert (await client.until("reply.done", "error"))[-1]["type"] == "reply.done"


async def test_an_unknown_name_is_refused_and_the_line_may_come_again(client: RawClient) -> None:
    await client.ask(type="actions.register", id=1, scope={"persona": "ada"}, actions=[WAVE])
    answer = await client.ask(type="say", id=2, npc="ada", speaker=MIRA, text="Well?", actions=["wave", "wvae"])
    assert (answer["code"], answer["path"]) == ("unknown_action", "actions[1]")
    await client.send(type="say", id=2, npc="ada", speaker=MIRA, text="Well?", actions=["wave"])
    assert (await client.until("reply.done", "error"))[-1]["type"] == "reply.done"


async def test_what_was_unregistered_is_not_done(client: RawClient) -> None:
    await client.ask(type="actions.register", id=1, scope={"all": True}, actions=[WAVE, FLEE])
    answer = await client.ask(type="actions.unregister", id=2, scope={"npc": "ada"}, actions=["wave"])
    assert (answer["code"], answer["path"]) == ("unknown_action", "actions[0]")
    assert (await client.ask(type="actions.unregister", id=3, scope={"all": True}, actions=["wave"]))["type"] == "ok"
    assert (await act(client))["name"] == "flee"


async def test_a_schema_that_can_not_be_kept_to_is_refused_with_its_path_and_nothing_is_registered(
    client: RawClient,
) -> None:
    bad = {**FLEE, "schema": {"type": "object", "properties": {"to": {"not": {"type": "string"}}}}}
    answer = await client.ask(type="actions.register", id=1, scope={"all": True}, actions=[WAVE, bad])
    assert (answer["code"], answer["path"]) == ("schema_unsupported", "actions[1].schema.properties.to.not")
    answer = await client.ask(type="say", id=2, npc="ada", speaker=MIRA, text="Well?", actions=["wave"])
    assert answer["code"] == "unknown_action"


async def test_one_game_does_not_see_the_actions_of_another(client: RawClient) -> None:
    await client.ask(type="actions.register", id=1, scope={"all": True}, actions=[WAVE])
    host, port = client.socket.remote_address[:2]
    async with RawClient(f"ws://{host}:{port}") as other:
        await other.greet()
        answer = await other.ask(type="say", id=2, npc="ada", speaker=MIRA, text="Well?", actions=["wave"])
        assert answer["code"] == "unknown_action"


async def test_a_decision_is_as_its_schema_says(client: RawClient) -> None:
    answer = await client.ask(type="decide", id=1, npc="ada", question="Left or right?", schema={"enum": ["l", "r"]})
    assert answer["type"] == "decided"
    assert answer["value"] in ("l", "r")
    nothing = await client.ask(type="decide", id=2, npc="ada", question="What?", schema={"type": "null"})
    assert nothing["value"] is None
    answer = await client.ask(type="decide", id=3, npc="ada", question="What?", schema={"type": "odd"})
    assert (answer["code"], answer["path"]) == ("schema_unsupported", "schema.type")
    assert (await client.ask(type="npc.inspect", id=4, npc="ada"))["journal"] == []
