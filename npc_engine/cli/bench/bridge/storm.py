"""Clients that all lose their connections at once, in the middle of an answer, and all come back at once."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed

from npc_engine.cli.bench.bridge.flood import PERSONAS
from npc_engine.cli.bench.bridge.peer import Peer, close, open_peer
from npc_engine.cli.bench.bridge.probe import is_whole

_WITHIN = 60.0
_AT_ONCE = 50


@dataclass(slots=True)
class StormReport:
    """``back`` has the seconds from the loss to the welcome of each return. The others count what must not be."""

    back: list[float] = field(default_factory=list)
    answers: int = 0
    not_resumed: int = 0
    lost: int = 0
    doubled: int = 0


class _Survivor:
    """A client with an NPC that loses its connection and goes on."""

    def __init__(self, number: int, peer: Peer) -> None:
        self._number, self._npc, self._peer = number, f"storm{number}", peer
        self.messages: list[dict[str, Any]] = []
        self._lines = 0

    async def spawn(self) -> None:
        await self._peer.ask(type="npc.spawn", id="spawn", npc=self._npc, persona=PERSONAS[self._number % 10])

    async def say(self) -> None:
        """Say the next line and hear some of the answer."""
        self._lines += 1
        await self._send_line()
        await self._hear(3)

    def cut(self) -> None:
        self._peer.cut()

    async def come_back(self, url: str, report: StormReport) -> None:
        """Return to the session, and send the line again as a client does that can't know whether it arrived."""
        began = time.perf_counter()
        self._peer = await open_peer(url, self._peer)
        report.back.append(time.perf_counter() - began)
        report.not_resumed += not self._peer.resumed
        await self._send_line()

    async def hear_out(self) -> None:
        """Listen until the answer to the last line has ended."""
        while not self._has_ended():
            await self._hear(1)

    async def judge(self, report: StormReport) -> None:
        """Compare what came, and what the NPC remembers, with what must have."""
        for line in range(1, self._lines + 1):
            mine = [message for message in self.messages if message.get("re") == line and message["type"] != "error"]
            ends = sum(message["type"] == "reply.done" for message in mine)
            report.answers += 1
            report.doubled += max(0, ends - 1)
            report.lost += ends == 0 or (ends == 1 and not is_whole(mine, line))
        report.lost += self._peer.gaps
        info = await self._peer.ask(type="npc.inspect", id="inspect", npc=self._npc)
        remembered = len(info["journal"])
        report.lost += max(0, 2 * self._lines - remembered)
        report.doubled += max(0, remembered - 2 * self._lines)

    async def close(self) -> None:
        await close([self._peer])

    def _has_ended(self) -> bool:
        return any(m["type"] == "reply.done" and m["re"] == self._lines for m in reversed(self.messages))

    async def _send_line(self) -> None:
        speaker = {"id": "s", "name": "Ada", "kind": "player"}
        await self._peer.send(
            type="say", id=self._lines, npc=self._npc, speaker=speaker, text=f"Line {self._lines}, please."
        )

    async def _hear(self, count: int) -> None:
        for _ in range(count):
            self.messages.append(await self._peer.receive())


async def storm(url: str, clients: int, rounds: int) -> StormReport:
    """So many clients lose their connections ``rounds`` times. Raises TimeoutError if they can't go on afterwards."""
    report = StormReport()
    survivors: list[_Survivor] = []
    try:
        for first in range(0, clients, _AT_ONCE):
            group = range(first, min(first + _AT_ONCE, clients))
            peers = await asyncio.gather(*(open_peer(url) for _ in group))
            new = [_Survivor(number, peer) for number, peer in zip(group, peers, strict=True)]
            survivors += new
            await asyncio.gather(*(survivor.spawn() for survivor in new))
        for _ in range(rounds):
            await _within(survivor.say() for survivor in survivors)
            for survivor in survivors:
                survivor.cut()
            await _within(survivor.come_back(url, report) for survivor in survivors)
            await _within(survivor.hear_out() for survivor in survivors)
        await _within(survivor.judge(report) for survivor in survivors)
    except ConnectionClosed as closed:
        raise TimeoutError(f"a client that came back lost its connection again ({closed})") from closed
    finally:
        await asyncio.gather(*(survivor.close() for survivor in survivors), return_exceptions=True)
    return report


async def _within(work: Any) -> None:
    async with asyncio.timeout(_WITHIN):
        await asyncio.gather(*work)
