"""A village: every NPC shares the world, has a persona and a history of its own, and some are spoken to at once.

Each round sends a player's line to the next ``active`` NPCs at the same moment, cycling through all of them, and waits
for all answers. So an NPC that returns has grown, and many others have been spoken to since.
"""

import asyncio
import time
from dataclasses import dataclass, field
from random import Random

from npc_engine.cli.bench.chat import Answer, ChatServer, Message
from npc_engine.cli.bench.prose import prose


@dataclass(frozen=True, slots=True)
class VillageLoad:
    """How many NPCs, how many spoken to at once and how often; words in what they are told; tokens in each answer."""

    npcs: int = 64
    active: int = 8
    rounds: int = 24
    world: int = 300
    persona: int = 80
    line: int = 16
    tokens: int = 32


@dataclass(slots=True)
class Visits:
    """All answers, by whether the NPC was spoken to for the first time, and the seconds from first to last."""

    first: list[Answer] = field(default_factory=list)
    returning: list[Answer] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """What whoever pays for the machine gets out of it."""
        return sum(answer.tokens for answer in (*self.first, *self.returning)) / self.seconds


async def visit(server: ChatServer, load: VillageLoad) -> Visits:
    """Speak to the village."""
    villagers, visits = [[system] for system in personas(load)], Visits()
    began = time.perf_counter()
    for number in range(load.rounds):
        places = range(number * load.active, (number + 1) * load.active)
        answers = await speak(server, villagers, [place % load.npcs for place in places], number, load)
        for place, answer in zip(places, answers, strict=True):
            (visits.first if place < load.npcs else visits.returning).append(answer)
    visits.seconds = time.perf_counter() - began
    return visits


def personas(load: VillageLoad) -> list[Message]:
    """What each NPC is told about the world, which they share, and about itself."""
    world = f"World of Oakvale. {prose(Random(0), load.world)}"
    return [_system(f"{world} You are villager number {i}. {_own(i, load.persona)}") for i in range(load.npcs)]


async def speak(
    server: ChatServer, villagers: list[list[Message]], who: list[int], number: int, load: VillageLoad
) -> list[Answer]:
    """Say something to each of ``who`` at the same moment, and note what was said and answered in their histories."""
    for i in who:
        line = prose(Random(number * 7919 + i), load.line)
        villagers[i].append({"role": "user", "content": f"Round {number}: {line}"})
    answers = await asyncio.gather(*(server.ask(villagers[i], load.tokens) for i in who))
    for i, answer in zip(who, answers, strict=True):
        villagers[i].append({"role": "assistant", "content": answer.text})
    return answers


def _own(villager: int, words: int) -> str:
    return f"{prose(Random(1000 + villager), words)} Answer in character."


def _system(content: str) -> Message:
    return {"role": "system", "content": content}
