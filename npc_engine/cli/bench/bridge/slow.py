"""Clients that ask for much and do not read, beside the same ones that do: what they cost others."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed

from npc_engine.cli.bench.bridge.peer import Peer, crowd, open_peer
from npc_engine.cli.bench.bridge.probe import Probe
from npc_engine.cli.bench.own_server import OwnServer

_EVERY = 0.2
_OPEN = 4
"""Lists that a client asks for at once, every time."""


@dataclass(frozen=True, slots=True)
class SlowReaders:
    """Round trips of a bystander in seconds, how many of the slow ones were shut out, and the most bytes they took."""

    pings: list[float]
    shut_out: int
    grown: int


async def ask_without_reading(served: OwnServer, clients: int, seconds: float, *, read: bool) -> SlowReaders:
    """``clients`` ask for the list of all NPCs again and again for ``seconds``, and ``read`` it or not."""
    bystander = await open_peer(served.url)
    before, most = served.resident, 0
    async with crowd(served.url, clients, queue=1) as peers, Probe(bystander) as probe:
        tasks = [asyncio.create_task(_ask(peer)) for peer in peers]
        tasks += [asyncio.create_task(_read(peer)) for peer in peers if read]
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(0.05)
            most = max(most, served.resident)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        shut_out = 0 if read else sum([await _was_shut_out(peer) for peer in peers])
    await bystander.socket.close()
    return SlowReaders(probe.pings, shut_out, most - before)


async def _ask(peer: Peer) -> None:
    number = 0
    with suppress(ConnectionClosed):
        while True:
            for _ in range(_OPEN):
                number += 1
                await peer.send(type="npc.list", id=number)
            await asyncio.sleep(_EVERY)


async def _read(peer: Peer) -> None:
    with suppress(ConnectionClosed):
        while True:
            await peer.receive()


async def _was_shut_out(peer: Peer) -> bool:
    """Whether the server has left ``peer``, found by reading what had come until then."""
    with suppress(TimeoutError, ConnectionClosed):
        async with asyncio.timeout(2.0):
            while True:
                await peer.receive()
    return peer.socket.close_code is not None
