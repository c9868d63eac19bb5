"""NPCs that come back from disk and after a kill, the memory of the process, and what keeping costs."""

import asyncio
import tempfile
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

_QUIET_SECONDS = 5.0
"""Before the kill, nobody is spoken to for so long: what is on disk then is what there was time to write."""


@dataclass(frozen=True, slots=True)
class TiersLoad:
    """A crowd that the RAM budget does not hold, and prompts of which nothing is ever used again."""

    crowd: CrowdLoad = field(default_factory=CrowdLoad)
    unshared: UnsharedLoad = field(default_factory=UnsharedLoad)
    ram_budget: str = "512MB"


QUICK = TiersLoad(
    CrowdLoad(npcs=16, context=200, shared=64, sample=2, tokens=2),
    UnsharedLoad(turns=1, rounds=1, width=2, words=20, tokens=2),
    ram_budget="16MiB",
)


async def measure_tiers(subject: Subject, load: TiersLoad) -> list[Figure]:
    """Measure all of it, each part on servers of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options = ("--model", subject.model, "--ram-budget", load.ram_budget)
        crowd = Crowd(load.crowd, subject.count)
        figures = await _until_killed(Path(folder) / "crowd", options, crowd, weight_bytes(subject.folder))
        figures += await _after_the_kill(Path(folder) / "crowd", options, crowd)
        figures.append(await _unshared(Path(folder) / "unshared", options, load.unshared))
    return figures


async def _until_killed(data: Path, options: tuple[str, ...], crowd: Crowd, model_bytes: int) -> list[Figure]:
    """Speak to everyone, then again to some whom RAM no longer holds, look at memory, and kill the server."""
    async with own_server(data, *options) as own, ChatServer(own.http_url) as server:
        figures = [_start(own, "nobody known")]
        await crowd.fill(server)
        figures += _returns("from disk", "from RAM", await crowd.come_back(server, 0, 2), 0.95)
        async with Client(own.url) as client:
            figures += memory_figures(own.resident, model_bytes, (await client.stats()).tiers)
        await asyncio.sleep(_QUIET_SECONDS)
        own.kill()
    return figures


async def _after_the_kill(data: Path, options: tuple[str, ...], crowd: Crowd) -> list[Figure]:
    """Start again on what the killed server left, and speak to others of the crowd."""
    async with own_server(data, *options) as own, ChatServer(own.http_url) as server:
        returns = await crowd.come_back(server, 1, 2)
    start = _start(own, f"{crowd.load.npcs} NPCs on disk, after kill -9")
    return [start, *_returns("after kill -9", "after that", returns, 0.95)]


async def _unshared(data: Path, options: tuple[str, ...], load: UnsharedLoad) -> Figure:
    async with own_server(data, *options) as own, ChatServer(own.http_url) as server, Client(own.url) as client:
        cost = await measure_overhead(server, client, load)
    note = f"{sum(cost.kept):.1f} s with tiers, {sum(cost.dropped):.1f} s without, {cost.found:.0%} of prompts found"
    return Figure("keeping what nobody asks for again", cost.share * 100, "%", 3.0, note=note)


def _start(own: OwnServer, note: str) -> Figure:
    return Figure("start to listening", own.start_seconds, "s", 5.0, note=f"model in the cache, {note}")


def _returns(cold: str, warm: str, returns: Returns, share: float) -> list[Figure]:
    which = f"p{share * 100:.0f}"
    return [
        Figure(f"first token {warm}, {which}", first_token(returns.warm, share) * 1e3, "ms"),
        Figure(f"first token {cold}, {which}", first_token(returns.cold, share) * 1e3, "ms"),
        Figure(f"  {cold} / {warm}", returns.ratio(share), "x", 2.0, note=returns.explain()),
    ]
