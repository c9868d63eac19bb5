"""A village that talks for long, while budgets move up and down under it as a game's would."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

from bridge.client import Client
from npc_engine.cli.bench.chat import ChatServer, Message
from npc_engine.cli.bench.measure import Figure
from npc_engine.cli.bench.own_server import OwnServer, own_server
from npc_engine.cli.bench.subject import Subject
from npc_engine.cli.bench.village import VillageLoad, personas, speak

_LEAST_SHARE = 4
"""Budgets move between what they were at the start and this part of it."""

_INCONSISTENT = "attention state is inconsistent"
"""What the engine writes when a look at its own state fails."""


@dataclass(frozen=True, slots=True)
class SoakLoad:
    """How long; how often budgets move; how long nobody may speak before memory is looked at, and how often that is.

    An NPC of more than ``lines`` lines leaves, and another one comes in its place.
    """

    seconds: float = 600.0
    budget_seconds: float = 3.0
    look_seconds: float = 30.0
    rest_seconds: float = 12.0
    lines: int = 12
    village: VillageLoad = field(default_factory=VillageLoad)


QUICK = SoakLoad(
    seconds=1.5,
    budget_seconds=0.2,
    look_seconds=0.5,
    rest_seconds=0.1,
    lines=2,
    village=VillageLoad(npcs=4, active=2, world=20, persona=8, tokens=2),
)


@dataclass(slots=True)
class _Seen:
    """What happened: resident bytes at rest, answers, how often budgets moved, tiers that were beyond their budget."""

    resident: list[int] = field(default_factory=list)
    answers: int = 0
    moves: int = 0
    beyond: int = 0


async def measure_soak(subject: Subject, load: SoakLoad) -> list[Figure]:
    """Let the village talk, and say what became of memory and of what is kept. A failed answer raises."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with (
            own_server(Path(folder) / "data", "--model", subject.model) as own,
            ChatServer(own.http_url) as server,
            Client(own.url) as client,
        ):
            seen = await _soak(own, server, client, load)
            alarms = own.written().count(_INCONSISTENT)
        return _figures(seen, alarms)


async def _soak(own: OwnServer, server: ChatServer, client: Client, load: SoakLoad) -> _Seen:
    seen, rng = _Seen(), Random(0)
    high = {f"{name}_bytes": tier.budget for name, tier in (await client.stats()).tiers.items()}
    low = {name: budget // _LEAST_SHARE for name, budget in high.items()}
    villagers = [[system] for system in personas(load.village)]
    end = time.perf_counter() + load.seconds
    number = 0
    while time.perf_counter() < end or len(seen.resident) < 2:
        async with asyncio.TaskGroup() as group:
            moving = group.create_task(
                _move_budgets(client, lambda: {name: rng.randint(low[name], high[name]) for name in low}, load, seen)
            )
            rest_at = time.perf_counter() + load.look_seconds
            while time.perf_counter() < rest_at:
                await _round(server, villagers, number, load, seen)
                number += 1
            moving.cancel()
        await client.budget(**low)
        await asyncio.sleep(load.rest_seconds)
        seen.resident.append(own.resident)
    return seen


async def _round(server: ChatServer, villagers: list[list[Message]], number: int, load: SoakLoad, seen: _Seen) -> None:
    village = load.village
    who = [(number * village.active + i) % village.npcs for i in range(village.active)]
    for i in who:
        if len(villagers[i]) > 2 * load.lines:
            villagers[i] = [{**villagers[i][0], "content": f"{villagers[i][0]['content']} You came at {number}."}]
    seen.answers += len(await speak(server, villagers, who, number, village))


async def _move_budgets(client: Client, draw: Callable[[], dict[str, int]], load: SoakLoad, seen: _Seen) -> None:
    while True:
        await client.budget(**draw())
        await asyncio.sleep(load.budget_seconds)
        seen.moves += 1
        tiers = (await client.stats()).tiers
        seen.beyond += sum(tier.used > tier.budget for tier in tiers.values())


def _figures(seen: _Seen, alarms: int) -> list[Figure]:
    third = max(1, len(seen.resident) // 3)
    early, late = median(seen.resident[:third]) / 1e6, median(seen.resident[-third:]) / 1e6
    note = f"{len(seen.resident)} looks at rest with budgets low: {early:.0f} MB at first, {late:.0f} MB at last"
    return [
        Figure("memory at rest, last third / first", late / early, "x", 1.05, note=note),
        Figure("tiers beyond their budgets", seen.beyond, "times", 0.0, note=f"budgets moved {seen.moves} times"),
        Figure("state found inconsistent", alarms, "times", 0.0, note=f"{seen.answers} answers, none failed"),
    ]
