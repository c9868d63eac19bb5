"""A process of clients that all have an NPC, and send together so many messages a second.

Of a hundred messages eighty are pings, fifteen are events that an NPC remembers, and five are lines that it answers.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from random import Random
from typing import Any

from npc_engine.cli.bench.bridge.child import tell, wait_for_go
from npc_engine.cli.bench.bridge.peer import LAST, Peer, crowd
from npc_engine.cli.bench.measure import percentile

PERSONAS = ("bram", "dorrel", "greta", "hesta", "maud", "orrin", "pip", "silas", "tobias", "wenna")
_SPEAKER = {"id": "p1", "name": "Mira", "kind": "player"}
_EVENTS, _LINES = 15, 5  # of a hundred

_LOOKS, _LOOK_SECONDS = 500, 0.02
"""How long the last answers may take after the last message, in looks whether they are there."""


class _Member:
    """One client of the crowd: what it asked for and when."""

    def __init__(self, number: int, peer: Peer) -> None:
        self.npc, self.peer = f"crowd{number}", peer
        self.asked: dict[int, tuple[str, float]] = {}
        self.took: dict[str, list[float]] = {"ping": [], "event": [], "say": []}
        self.errors = 0
        self._next = 1

    async def spawn(self, persona: str) -> None:
        await self.peer.ask(type="npc.spawn", id=0, npc=self.npc, persona=persona)

    async def send(self, kind: str) -> None:
        id, self._next = self._next, self._next + 1
        message: dict[str, Any] = {"type": kind, "id": id}
        if kind == "event":
            message |= {"hearers": [self.npc], "text": f"The bell rings, {id} times."}
        elif kind == "say":
            message |= {"npc": self.npc, "speaker": _SPEAKER, "text": f"Good day, the {id}th time."}
        self.asked[id] = kind, time.perf_counter()
        await self.peer.send(**message)

    async def read(self) -> None:
        while True:
            answer = await self.peer.receive()
            if answer["type"] not in LAST or (asked := self.asked.pop(answer.get("re", 0), None)) is None:
                continue
            kind, at = asked
            self.errors += answer["type"] == "error"
            self.took[kind].append(time.perf_counter() - at)


def _kinds(rng: Random) -> Iterator[str]:
    while True:
        draw = rng.randrange(100)
        yield "say" if draw < _LINES else "event" if draw < _LINES + _EVENTS else "ping"


async def flood(url: str, clients: int, rate: float, seconds: float) -> None:
    """Connect, wait, send, and report."""
    async with crowd(url, clients) as peers:
        tell(connected=len(peers))
        await wait_for_go()
        members = [_Member(number, peer) for number, peer in enumerate(peers)]
        for first in range(0, clients, 50):
            await asyncio.gather(*(m.spawn(PERSONAS[i % 10]) for i, m in enumerate(members[first : first + 50])))
        tell(spawned=clients)
        await wait_for_go()
        readers = [asyncio.create_task(member.read()) for member in members]
        took = await _send(members, rate, seconds)
        for _ in range(_LOOKS):
            if not any(member.asked for member in members):
                break
            await asyncio.sleep(_LOOK_SECONDS)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        _report(members, took)


async def _send(members: list[_Member], rate: float, seconds: float) -> float:
    """Send at ``rate``, each message when it is due. The seconds it took."""
    kinds, began = _kinds(Random(0)), time.perf_counter()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        await members[number % len(members)].send(next(kinds))
    return time.perf_counter() - began


def _report(members: list[_Member], took: float) -> None:
    all_took = {kind: [t for member in members for t in member.took[kind]] for kind in ("ping", "event", "say")}
    tell(
        seconds=took,
        sent=sum(map(len, all_took.values())),
        received=sum(sum(member.peer.kinds.values()) for member in members),
        unanswered=sum(len(member.asked) for member in members),
        errors=sum(member.errors for member in members),
        gaps=sum(member.peer.gaps for member in members),
        p50={kind: percentile(times, 0.5) for kind, times in all_took.items() if times},
        p99={kind: percentile(times, 0.99) for kind, times in all_took.items() if times},
    )


if __name__ == "__main__":
    asyncio.run(flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
