"""A game that was written for the Neuro SDK, with that SDK's own Python client, played by a persona."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from neuro_api.api import AbstractNeuroAPI, NeuroAction, NeuroStartupData
from neuro_api.command import Action
from websockets.asyncio.client import ClientConnection, connect

from bridge.client import Client
from npc_engine.cli.bench.ports import free_port
from tests.served import Served

CELL = {
    "type": "object",
    "properties": {"cell": {"type": "integer", "minimum": 0, "maximum": 24}},
    "required": ["cell"],
}
MARK = Action("mark_cell", "Put your mark into a cell.", CELL)
RESIGN = Action("resign", "Give the game up.")


class Noughts(AbstractNeuroAPI):
    """Noughts and crosses: the game's own moves are the first free cell."""

    def __init__(self, socket: ClientConnection, title: str = "Noughts") -> None:
        super().__init__(title)
        self._socket = socket
        self.board = [" "] * 25
        self.refused = 0
        self.done: list[NeuroAction] = []

    async def write_to_websocket(self, data: str) -> None:
        await self._socket.send(data)

    async def read_from_websocket(self) -> str | bytes:
        async with asyncio.timeout(20):
            return await self._socket.recv()

    async def handle_startup_acknowledgement(self, startup_ack: NeuroStartupData) -> None:
        pass

    async def handle_action(self, action: NeuroAction) -> None:
        self.done.append(action)
        if action.name == "resign":
            assert action.data is None
            await self.send_action_result(action.id_, True, "You gave up.")
            return
        assert action.data is not None
        cell = json.loads(action.data)["cell"]
        assert cell in range(25)
        if self.board[cell] != " ":
            self.refused += 1
            await self.send_action_result(action.id_, False, f"Cell {cell} is taken.")
            return
        self.board[cell] = "X"
        if " " in self.board:
            self.board[self.board.index(" ")] = "O"
        await self.send_action_result(action.id_, True)

    async def turn(self) -> None:
        """Force a move, and read until one was accepted."""
        before = self.board.count("X")
        await self.send_force_action("|".join(self.board), "It is your turn.", ["mark_cell"], ephemeral_context=True)
        while self.board.count("X") == before:
            await self.read_message()


class Door(Served):
    """A running server with its door for such games, which greta plays."""

    def __init__(self, data: Path, *options: str) -> None:
        port = free_port()
        super().__init__(data, "--model", "mock", "--neuro-port", str(port), "--neuro-persona", "greta", *options)
        self.door = f"ws://127.0.0.1:{port}"

    async def remembers(self, npc: str) -> list[str]:
        async with Client(self.url) as client:
            return [line.text for line in (await client.inspect(npc)).journal]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    door = Door(tmp_path_factory.mktemp("neuro") / "data")
    yield door
    assert door.end() == 0
    assert "Traceback" not in door.errors


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_a_persona_plays_a_whole_game(door: Door) -> None:
    async with connect(door.door) as socket:
        game = Noughts(socket)
        await game.send_startup_command()
        await game.register_actions([MARK])
        await game.send_context("You play X against the house.")
        for _ in range(5):
            await game.turn()
        assert game.board.count("X") == 5
        assert len({action.id_ for action in game.done}) == len(game.done) == 5 + game.refused

        async def all_remembered() -> bool:
            remembered = await door.remembers("greta@Noughts")
            return remembered[0] == "You play X against the house." and len(remembered) == 1 + len(game.done)

        await until(all_remembered)
        told = await door.remembers("greta@Noughts")
        assert all(text.startswith("You did this: mark cell (cell: ") for text in told[1:])
        assert "It is your turn." not in " ".join(told)


async def test_context_that_is_not_silent_may_lead_to_an_action(door: Door) -> None:
    async with connect(door.door) as socket:
        game = Noughts(socket, "Talkative")
        await game.send_startup_command()
        await game.register_actions([MARK, RESIGN])
        for number in range(12):
            await game.send_context(f"The house laughs, {number}.", silent=False)
            try:
                async with asyncio.timeout(1.0):
                    await game.read_message()
            except TimeoutError:
                continue
        assert len(game.done) > 0


async def test_another_game_is_another_memory_and_tomorrow_the_same(door: Door) -> None:
    for text in ("First day.", "Second day."):
        async with connect(door.door) as socket:
            game = Noughts(socket, "Diary")
            await game.send_startup_command()
            await game.send_context(text)

            async def remembered(text: str = text) -> bool:
                async with Client(door.url) as client:
                    known = [npc.npc for npc in await client.list()]
                return "greta@Diary" in known and text in await door.remembers("greta@Diary")

            await until(remembered)
    assert await door.remembers("greta@Diary") == ["First day.", "Second day."]


async def test_nonsense_is_ignored_and_the_game_goes_on(door: Door) -> None:
    async with connect(door.door) as socket:
        game = Noughts(socket, "Noisy")
        for frame in ("", "{", "[]", '{"command": "fly"}', b"\xff\xfe", "[" * 50_000, '{"command": "startup"}'):
            await socket.send(frame)
        await game.send_startup_command()
        await game.register_actions([MARK])
        await game.turn()
        assert game.board.count("X") == 1


async def test_what_one_game_does_is_nothing_to_another(door: Door) -> None:
    async with connect(door.door) as one, connect(door.door) as two:
        games = [Noughts(socket, title) for socket, title in ((one, "One"), (two, "Two"))]
        for game in games:
            await game.send_startup_command()
            await game.register_actions([MARK])
        one.transport.abort()
        await games[1].turn()
        assert games[1].board.count("X") == 1


async def test_an_action_whose_schema_cannot_be_kept_to_is_not_chosen(door: Door) -> None:
    strange = {"type": "object", "properties": {"cell": {"type": "integer", "not": {"const": 3}}}}
    unique = {"type": "object", "properties": {"cells": {"type": "array", "items": {"enum": [1]}, "uniqueItems": True}}}
    actions = [
        {"name": "strange", "description": "Never.", "schema": strange},
        {"name": "resign", "description": "Give up.", "schema": unique},
    ]
    async with connect(door.door) as socket:
        game = Noughts(socket, "Strange")
        await game.send_startup_command()
        await socket.send(json.dumps({"command": "actions/register", "game": "Strange", "data": {"actions": actions}}))
        for _ in range(3):
            data = {"query": "Now.", "action_names": ["strange", "resign"]}
            await socket.send(json.dumps({"command": "actions/force", "game": "Strange", "data": data}))
            call = json.loads(await game.read_from_websocket())["data"]
            assert call["name"] == "resign"
            assert set(json.loads(call["data"])) <= {"cells"}
            await game.send_action_result(call["id"], True)
    assert "'strange'" in door.errors


async def test_a_state_beyond_its_memory_is_cut_and_the_turn_is_played(door: Door) -> None:
    async with connect(door.door) as socket:
        game = Noughts(socket, "Long")
        await game.send_startup_command()
        await game.register_actions([MARK])
        await game.send_context("word " * 5000)
        await game.send_force_action("field " * 5000, "It is your turn.", ["mark_cell"], ephemeral_context=True)
        await game.read_message()
        assert game.board.count("X") == 1


async def test_web_pages_are_refused(door: Door) -> None:
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        await connect(door.door, origin="https://example.org")
    assert refused.value.response.status_code == 403


async def test_a_token_stands_in_the_address(tmp_path: Path) -> None:
    door = Door(tmp_path / "data", "--token", "secret")
    try:
        for query in ("", "?token=wrong"):
            with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
                await connect(f"{door.door}/{query}")
            assert refused.value.response.status_code == 401
        async with connect(f"{door.door}/?token=secret") as socket:
            game = Noughts(socket)
            await game.send_startup_command()
            await game.register_actions([MARK])
            await game.turn()
    finally:
        door.end()
