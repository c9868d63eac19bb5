"""The same load on every engine, one after another: nothing else may run while one is measured."""

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from npc_engine.cli.bench.chat import ChatServer
from npc_engine.cli.bench.measure import Figure, percentile
from npc_engine.cli.bench.own_server import own_server
from npc_engine.cli.bench.peer import Peer, running
from npc_engine.cli.bench.side_by_side import Result
from npc_engine.cli.bench.streams import StreamLoad, decode_together
from npc_engine.cli.bench.subject import Subject
from npc_engine.cli.bench.village import VillageLoad, Visits, visit
from npc_engine.cli.console import err

_WARM_UP = StreamLoad(2, context=64, shared=16, tokens=16)
"""Not counted: what an engine does once, with the first requests it sees."""


@dataclass(frozen=True, slots=True)
class Contest:
    """A village to visit, and how to decode together."""

    village: VillageLoad = field(default_factory=VillageLoad)
    streams: Sequence[StreamLoad] = (StreamLoad(32), StreamLoad(1))


QUICK = Contest(
    VillageLoad(npcs=2, active=2, rounds=2, world=20, persona=8, tokens=2),
    (StreamLoad(2, context=48, shared=16, tokens=16),),
)


async def compare(subject: Subject, peers: Sequence[Peer], contest: Contest) -> list[Result]:
    """Measure this engine, then each peer. Raises OperatorError if one of them can't be started or fails."""
    engines = [("npc-engine", _ours(subject.model)), *((peer.name, running(peer)) for peer in peers)]
    results = []
    for name, engine in engines:
        err.print(f"measuring {name} ...", markup=False)
        async with engine as url, ChatServer(url) as server:
            await decode_together(server, _WARM_UP, subject.count)
            figures = _village(contest.village, await visit(server, contest.village))
            figures += [await _streams(server, load, subject.count) for load in contest.streams]
        results.append(Result(name, figures))
    return results


@asynccontextmanager
async def _ours(model: str) -> AsyncIterator[str]:
    """The URL of a server of this engine that knows nobody yet."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with own_server(Path(folder) / "data", "--model", model) as server:
            yield server.http_url


def _village(load: VillageLoad, visits: Visits) -> list[Figure]:
    firsts = [answer.first_token for answer in visits.returning]
    prompts = [answer.prompt_tokens for answer in visits.returning]
    who = f"{load.npcs} NPCs, {load.active} at once, returning"
    note = f"{len(firsts)} returns with prompts of {min(prompts)} to {max(prompts)} tokens"
    return [
        Figure(f"first token, p50: {who}", percentile(firsts, 0.5) * 1e3, "ms", note=note),
        Figure(f"first token, p95: {who}", percentile(firsts, 0.95) * 1e3, "ms"),
        Figure("all of that village", visits.tokens_per_second, "tok/s", at_least=True),
    ]


async def _streams(server: ChatServer, load: StreamLoad, count: Callable[[str], int]) -> Figure:
    found = await decode_together(server, load, count)
    shared = f", {load.shared} shared" if load.width > 1 else ""
    note = f"decode of {load.width} for {found.seconds:.1f} s behind prompts of {found.prompt_tokens} tokens"
    name = f"decode, {load.width} at once: {load.context} tokens each{shared}"
    return Figure(name, found.rate, "tok/s", at_least=True, note=note)
