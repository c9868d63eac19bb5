"""One well-behaved client, in the process that measures: what it feels while others do what they do."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from websockets.exceptions import ConnectionClosed

from npc_engine.cli.bench.bridge.peer import Peer
from npc_engine.errors import NpcEngineError

_PAUSE = 0.01


class Probe:
    """Pings without pause while its block lasts. ``pings`` has the round trips, in seconds."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.pings: list[float] = []

    async def __aenter__(self) -> "Probe":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        try:
            while True:
                began = time.perf_counter()
                await self._peer.ask(type="ping", id=f"p{len(self.pings)}")
                self.pings.append(time.perf_counter() - began)
                await asyncio.sleep(_PAUSE)
        except ConnectionClosed as closed:
            raise NpcEngineError(f"A client that did nothing wrong lost its connection ({closed}).") from closed


class Bystander:
    """Talks to an NPC of its own, and checks that every answer is whole."""

    def __init__(self, peer: Peer, npc: str) -> None:
        self._peer, self._npc = peer, npc
        self.lines = 0
        self.broken = 0

    async def talk(self) -> None:
        """Say one line and hear the answer out."""
        self.lines += 1
        speaker = {"id": "b", "name": "Ada", "kind": "player"}
        id = f"b{self.lines}"
        await self._peer.send(type="say", id=id, npc=self._npc, speaker=speaker, text=f"Line {self.lines}.")
        messages = [await self._peer.receive()]
        while messages[-1]["type"] not in ("reply.done", "error"):
            messages.append(await self._peer.receive())
        self.broken += not is_whole(messages, id)


def is_whole(messages: Sequence[dict[str, Any]], id: object) -> bool:
    """Whether these hold one whole answer to the request ``id``: its start, deltas that are its text, and its end.

    Other messages may stand between them and behind them.
    """
    mine = [message for message in messages if message.get("re") == id]
    deltas = "".join(message["text"] for message in mine if message["type"] == "reply.delta")
    ends = [message for message in mine if message["type"] == "reply.done"]
    starts = sum(message["type"] == "reply.start" for message in mine)
    if not starts == len(ends) == 1:
        return False
    return bool(deltas == ends[0]["text"] != "" and ends[0]["finish"] == "stop")
