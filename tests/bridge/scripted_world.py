"""A world without minds: every NPC says what the test wrote for it, when the test lets it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from npc_engine.errors import LimitExceeded, UnknownMood, UnknownNpc, UnknownPersona
from npc_engine.inference.request import Budgets, CacheState, EngineStats, FinishReason, TierUse, Timings, Usage
from npc_engine.world.events import (
    Happening,
    MemoryCompacted,
    NpcInfo,
    NpcSummary,
    Remembered,
    ReplyDelta,
    ReplyDone,
    ReplyEvent,
    ReplySentence,
    ReplyStarted,
    Say,
    Update,
    WorldStats,
)
from npc_engine.world.watchers import Watchers
from npc_engine.world.world import World


class ScriptedWorld(World):
    """Knows the personas greta and tom. NPCs answer ``pieces``; one in ``paused`` stops after its first piece."""

    def __init__(self) -> None:
        self._watchers = Watchers()
        self.npcs: dict[str, NpcSummary] = {}
        self.pieces: list[str] = ["Good ", "morning."]
        self.compacts = False
        self.paused: set[str] = set()
        self.said: list[Say] = []
        self.updated: list[Update] = []
        self.happened: list[Happening] = []
        self.cancelled: list[str] = []
        self.running = 0
        self.go_on = asyncio.Event()
        self.failure: Exception | None = None
        self.slowness = 0.0  # seconds that coming and going take
        self.hinted: list[tuple[Sequence[str], float]] = []
        self.budgets = Budgets(device=3000, ram=2000, disk=1000)
        self.counted = 0

    async def spawn(
        self, npc: str, persona: str, *, world: str | None = None, variables: Mapping[str, str] | None = None
    ) -> NpcSummary:
        if persona not in ("greta", "tom"):
            raise UnknownPersona(f"No persona {persona!r}.", remedy="There are greta and tom.")
        await asyncio.sleep(self.slowness)
        self.npcs[npc] = NpcSummary(npc, persona, persona.title(), active=True)
        return self.npcs[npc]

    async def despawn(self, npc: str) -> None:
        known = self._known(npc)
        await asyncio.sleep(self.slowness)
        self.npcs[npc] = NpcSummary(npc, known.persona, known.name, active=False)

    async def forget(self, npc: str) -> None:
        self._known(npc)
        await asyncio.sleep(self.slowness)
        del self.npcs[npc]

    async def update(self, update: Update) -> None:
        self._known(update.npc)
        if update.mood == "hungry":
            raise UnknownMood("Greta can't be 'hungry'.", remedy="Its persona's moods are calm, angry.")
        self.updated.append(update)

    def roster(self) -> Sequence[NpcSummary]:
        return [self.npcs[npc] for npc in sorted(self.npcs)]

    async def inspect(self, npc: str) -> NpcInfo:
        known = self._known(npc)
        return NpcInfo(
            npc=npc,
            persona=known.persona,
            name=known.name,
            active=known.active,
            mood="calm",
            relationships={"tom": {"trust": 0.5, "notes": ["owes her flour"]}},
            journal=(Remembered("Mira", "Hello", 1000.0),),
            tokens={"world": 300, "persona": 80},
            kv=CacheState(380, {"ram": 1000, "device": 24}),
        )

    async def hint(self, npcs: Sequence[str], within: float) -> None:
        for npc in npcs:
            self._known(npc)
        self.hinted.append((npcs, within))

    async def set_budgets(self, budgets: Budgets) -> None:
        if budgets.device is not None and budgets.device < 100:
            raise LimitExceeded("That does not hold one context.", remedy="Allow at least 100 bytes.")
        given = {name: getattr(budgets, name) for name in ("device", "ram", "disk")}
        self.budgets = replace(self.budgets, **{name: size for name, size in given.items() if size is not None})

    async def stats(self) -> WorldStats:
        if self.failure is not None:
            raise self.failure
        self.counted += 1
        budgets = {"device": self.budgets.device, "ram": self.budgets.ram, "disk": self.budgets.disk}
        tiers = {tier: TierUse(7, budget or 0) for tier, budget in budgets.items()}
        active = sum(npc.active for npc in self.npcs.values())
        engine = EngineStats(running=self.running, steps=self.counted, tiers=tiers)
        return WorldStats(len(self.npcs), active, len(self.npcs), self.running, engine)

    async def say(self, say: Say) -> AsyncIterator[ReplyEvent]:
        if not self._known(say.npc).active:
            raise UnknownNpc(f"{say.npc!r} was despawned.", npc=say.npc)
        self.said.append(say)
        async for event in self._answer(say.npc):
            yield event

    async def happen(self, happening: Happening) -> AsyncIterator[ReplyEvent]:
        for npc in happening.hearers:
            self._known(npc)
        self.happened.append(happening)
        if not happening.silent:
            for npc in happening.hearers:
                async for event in self._answer(npc):
                    yield event

    async def _answer(self, npc: str) -> AsyncIterator[ReplyEvent]:
        self.running += 1
        try:
            yield ReplyStarted(npc)
            for index, piece in enumerate(self.pieces):
                if index == 1 and npc in self.paused:
                    await self.go_on.wait()
                if index == 1 and self.failure is not None:
                    raise self.failure
                await asyncio.sleep(0)
                yield ReplyDelta(npc, piece)
            text = "".join(self.pieces)
            yield ReplySentence(npc, text)
            if self.compacts:
                yield MemoryCompacted(npc, 900, 500)
            yield ReplyDone(npc, text, FinishReason.STOP, Usage(20, 15, 5), Timings(total=0.1), "calm")
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.append(npc)
            raise
        finally:
            self.running -= 1

    def _known(self, npc: str) -> NpcSummary:
        if npc not in self.npcs:
            raise UnknownNpc(f"No NPC {npc!r} was spawned.", npc=npc, remedy="Spawn it first.")
        return self.npcs[npc]
