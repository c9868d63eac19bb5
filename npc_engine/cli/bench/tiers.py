"""NPCs that come back from disk and after a kill, the memory of the process, and what keeping costs."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from bridge.client import Client
from npc_engine.cli.bench.chat import ChatServer
from npc_engine.cli.bench.measure import Figure
from npc_engine.cli.bench.own_server import OwnServer, own_server
from npc_engine.cli.bench.resident import memory_figures, weight_bytes
from npc_engine.cli.bench.returning import Crowd, CrowdLoad, Returns, first_token
from npc_engine.cli.bench.subject import Subject
from npc_engine.cli.bench.unshared import UnsharedLoad, measure_overhead


@dataclass(frozen=True, slots=True)
class TiersLoad:
    """A crowd that the RAM budget does not hold, and prompts of which nothing is ever used again.

    Before the kill, nobody is spoken to for ``quiet_seconds``: what is on disk then is what there was time to write.
    """

    crowd: CrowdLoad = field(default_factory=CrowdLoad)
    unshared: UnsharedLoad = field(default_factory=UnsharedLoad)
    ram_budget: str = "512MB"
    quiet_seconds: float = 5.0


QUICK = TiersLoad(
    CrowdLoad(npcs=16, context=200, shared=64, sample=2, tokens=2),
    UnsharedLoad(turns=1, rounds=1, width=2, words=20, tokens=2),
    ram_budget="16MiB",
    quiet_seconds=0.5,
)


async def measure_tiers(subject: Subject, load: TiersLoad) -> AsyncIterator[Figure]:
    """Measure all of it, each part on servers of its own."""
    crowd = Crowd(load.crowd, subject.count)
    options = ("--model", subject.model, "--ram-budget", load.ram_budget)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        village, elsewhere = Path(folder) / "village", Path(folder) / "elsewhere"
        async with own_server(village, *options) as own, ChatServer(own.http_url) as server:
            yield _start(own, "nobody known")
            await crowd.fill(server)
            returns = await crowd.come_back(server, 0, 2)
            for figure in (*_returns("from disk", "from RAM", returns), *await _memory(own, subject)):
                yield figure
            await asyncio.sleep(load.quiet_seconds)
            own.kill()
        async with own_server(village, *options) as own, ChatServer(own.http_url) as server:
            yield _start(own, f"{load.crowd.npcs} NPCs on disk, after kill -9")
            for figure in _returns("after kill -9", "after that", await crowd.come_back(server, 1, 2)):
                yield figure
        async with own_server(elsewhere, *options) as own, ChatServer(own.http_url) as server:
            yield await _overhead(own, server, load.unshared)


async def _memory(own: OwnServer, subject: Subject) -> list[Figure]:
    async with Client(own.url) as client:
        tiers = (await client.stats()).tiers
    return list(memory_figures(own.resident, weight_bytes(subject.folder), tiers))


async def _overhead(own: OwnServer, server: ChatServer, load: UnsharedLoad) -> Figure:
    async with Client(own.url) as client:
        cost = await measure_overhead(server, client, load)
    note = f"{sum(cost.kept):.1f} s with tiers, {sum(cost.dropped):.1f} s without, {cost.found:.0%} of prompts found"
    return Figure("keeping what nobody asks for again", cost.share * 100, "%", 3.0, note=note)


def _start(own: OwnServer, note: str) -> Figure:
    return Figure("start to listening", own.start_seconds, "s", 5.0, note=f"model in the cache, {note}")


def _returns(cold: str, warm: str, returns: Returns) -> list[Figure]:
    slow, fast = (first_token(answers, 0.95) for answers in (returns.cold, returns.warm))
    return [
        Figure(f"first token {warm}, p95", fast * 1e3, "ms", note=returns.explain()),
        Figure(f"first token {cold}, p95", slow * 1e3, "ms", 2 * fast * 1e3, note="aim: twice that"),
    ]
