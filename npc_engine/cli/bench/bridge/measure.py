"""All experiments with the bridge, one after the other, as figures."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npc_engine.cli.bench.bridge.child import child
from npc_engine.cli.bench.bridge.peer import crowd, open_peer
from npc_engine.cli.bench.bridge.probe import Bystander, Probe
from npc_engine.cli.bench.bridge.slow import ask_without_reading
from npc_engine.cli.bench.bridge.storm import storm
from npc_engine.cli.bench.measure import Figure, percentile
from npc_engine.cli.bench.own_server import OwnServer, own_server

_SETTLE = 1.0
_MORE_FRAMES = 0.2
"""The share of the fuzzed frames that come again when memory has taken what it takes once."""


@dataclass(frozen=True, slots=True)
class BridgeLoad:
    """How many clients, messages a second and seconds; slow readers; fuzzed frames; clients in the storm, and how often
    it blows. ``forget``: memory is looked at once the server keeps nothing for those that it lost any more."""

    clients: int = 1000
    rate: float = 2000.0
    seconds: float = 30.0
    slow: int = 8
    frames: int = 100_000
    storm: int = 500
    rounds: int = 3
    seed: int = 0
    forget: bool = True


QUICK = BridgeLoad(clients=20, rate=200.0, seconds=1.0, slow=2, frames=1200, storm=10, rounds=2, forget=False)


async def measure_bridge(load: BridgeLoad) -> AsyncIterator[Figure]:
    """Start servers on the mock, and measure what their clients feel."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with own_server(Path(folder) / "flood", "--model", "mock") as served:
            yield Figure("start to listening", served.start_seconds, "s", 1.0, note="no model")
            yield await _idle(served, load)
            async for figure in _flood(served, load):
                yield figure
            async for figure in _slow(served, load):
                yield figure
        async with own_server(Path(folder) / "fuzz", "--model", "mock") as served:
            async for figure in _fuzz(served, load):
                yield figure
        async with own_server(Path(folder) / "storm", "--model", "mock", "--mock-pace", "0.02") as served:
            async for figure in _storm(served, load):
                yield figure


async def _idle(served: OwnServer, load: BridgeLoad) -> Figure:
    async with crowd(served.url, min(50, load.clients)):
        pass  # what is allocated once is there afterwards
    before = served.resident
    async with crowd(served.url, load.clients):
        await asyncio.sleep(_SETTLE)
        each = (served.resident - before) / load.clients
    note = f"resident memory of the server, by {load.clients} clients that said hello"
    return Figure("memory per idle connection", each / 1e3, "kB", 60.0, note=note)


async def _flood(served: OwnServer, load: BridgeLoad) -> AsyncIterator[Figure]:
    probe_peer = await open_peer(served.url)
    async with child("flood", served.url, load.clients, load.rate, load.seconds) as flood:
        connected = (await flood.ready())["connected"]
        await flood.go()
        await flood.ready()  # everyone has an NPC
        async with Probe(probe_peer) as quiet:
            await asyncio.sleep(min(3.0, load.seconds))
        used = served.process.cpu_times()
        await flood.go()
        async with Probe(probe_peer) as probe:
            report = await flood.report()
        spent = served.process.cpu_times()
    cpu = (spent.user + spent.system - used.user - used.system) / report["seconds"]
    out = report["received"] / report["seconds"]
    yield Figure("clients", connected, "", load.clients, at_least=True, note="connected, each with an NPC")
    note = f"80% pings, 15% events, 5% lines; {out:.0f} a second come back; the server uses {cpu:.2f} cores"
    sustained = report["sent"] / report["seconds"]
    # The last message is due a little before the end, so the rate as measured is a little below what was asked for.
    yield Figure("messages a second", sustained, "", 0.99 * load.rate, at_least=True, note=note)
    note = "errors, and requests without an answer or with a gap in the numbers"
    failed = report["errors"] + report["unanswered"] + report["gaps"]
    yield Figure("  failed", failed, "", 0.0, note=note)
    idle = percentile(quiet.pings, 0.5)
    note = f"a ping of another process, less {idle * 1e3:.2f} ms while all are silent; {len(probe.pings)} pings"
    yield Figure("  added latency, p50", (percentile(probe.pings, 0.5) - idle) * 1e3, "ms", note=note)
    yield Figure("  added latency, p99", (percentile(probe.pings, 0.99) - idle) * 1e3, "ms", 10.0, note=note)
    for kind, what in (("event", "until an event is on disk"), ("say", "until an answer has ended")):
        if kind in report["p99"]:
            note = f"p50 {report['p50'][kind] * 1e3:.1f} ms; as the crowd sees it, its own delays included"
            yield Figure(f"  {what}, p99", report["p99"][kind] * 1e3, "ms", note=note)
    await probe_peer.socket.close()


async def _slow(served: OwnServer, load: BridgeLoad) -> AsyncIterator[Figure]:
    seconds = min(8.0, load.seconds)
    reading = await ask_without_reading(served, load.slow, seconds, read=True)
    stuck = await ask_without_reading(served, load.slow, seconds, read=False)
    with_them, without = percentile(stuck.pings, 0.99), percentile(reading.pings, 0.99)
    note = f"{without * 1e3:.1f} ms if they read; {load.slow} clients, lists of {load.clients} NPCs"
    yield Figure("others' ping, p99, beside clients that don't read", with_them * 1e3, "ms", note=note)
    note = f"{stuck.shut_out} of them were shut out; {stuck.grown / 1e6:.1f} MB more at most"
    yield Figure("  beside those that read, times", with_them / without, "", 1.25, note=note)


async def _fuzz(served: OwnServer, load: BridgeLoad) -> AsyncIterator[Figure]:
    peer, pinger = await open_peer(served.url), await open_peer(served.url)
    for npc, persona in (("fuzzed", "tobias"), ("bystander", "greta")):
        await peer.ask(type="npc.spawn", id=npc, npc=npc, persona=persona)
    bystander = Bystander(peer, "bystander")
    forgotten = _SETTLE + (peer.resume_window if load.forget else 0.0)
    async with Probe(pinger) as probe:
        report = await _attack(served, bystander, load.frames, load.seed)
        await asyncio.sleep(forgotten)
        before = served.resident
        more = await _attack(served, bystander, int(_MORE_FRAMES * load.frames), load.seed + 1)
        await asyncio.sleep(forgotten)
    grown = served.resident - before
    told = ", ".join(f"{count} {code}" for code, count in sorted(report["answers"].items(), key=lambda it: -it[1])[:6])
    yield Figure("fuzzed frames", report["done"], "", load.frames, at_least=True, note=f"answers: {told}")
    codes = ", ".join(f"{count} with {code}" for code, count in sorted(report["closed"].items())) or "none"
    note = f"over {report['connections']} connections; closed before the end: {codes}"
    yield Figure("  unanswered", report["unanswered"] + more["unanswered"], "", 0.0, note=note)
    yield Figure("  tracebacks in the log", served.written().count("Traceback"), "", 0.0)
    note = f"{bystander.lines} lines of a bystander, whose pings took {percentile(probe.pings, 0.99) * 1e3:.1f} ms, p99"
    yield Figure("  answers of others that broke", bystander.broken + peer.gaps, "", 0.0, note=note)
    note = f"by {more['done']} frames more, when those that were cut off are forgotten each time"
    yield Figure("  memory grown", grown / 1e6, "MB", 3.0, note=note)
    await asyncio.gather(peer.socket.close(), pinger.socket.close())


async def _attack(served: OwnServer, bystander: Bystander, frames: int, seed: int) -> dict[str, Any]:
    """Send so many frames from a process of its own, while ``bystander`` talks on. What came of them."""
    async with child("fuzz", served.url, frames, seed) as fuzz:
        await fuzz.ready()
        await fuzz.go()
        while "done" not in (report := await fuzz.report()):
            await bystander.talk()
        return report


async def _storm(served: OwnServer, load: BridgeLoad) -> AsyncIterator[Figure]:
    report = await storm(served.url, load.storm, load.rounds)
    note = f"{load.storm} clients, {load.rounds} times, in the middle of {report.answers} answers"
    yield Figure("back after a lost connection, p99", percentile(report.back, 0.99), "s", note=note)
    yield Figure("  not resumed", report.not_resumed, "", 0.0)
    yield Figure("  lost", report.lost, "", 0.0, note="messages, answers and lines in memory")
    yield Figure("  doubled", report.doubled, "", 0.0, note="each line was sent again after the return")
    traces = served.written().count("Traceback")
    yield Figure("  tracebacks in the log", traces, "", 0.0)
