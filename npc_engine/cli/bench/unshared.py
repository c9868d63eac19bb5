"""What keeping attention state costs where it never helps: every prompt is new, with the tiers and without them.

Both ways on one server, in turns, so that what a machine does by itself falls on both. Before each turn the server may
finish what it does in idle time; what it has to write while it works counts.
"""

import asyncio
import time
from dataclasses import dataclass
from itertools import count, pairwise
from random import Random
from statistics import median

from bridge.client import Client
from npc_engine.cli.bench.chat import ChatServer, Message
from npc_engine.cli.bench.prose import prose

_RESTS_WITHIN = 60.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class UnsharedLoad:
    """In each turn, ``rounds`` times ``width`` new prompts of so many words at once, answered in ``tokens`` tokens."""

    turns: int = 8
    rounds: int = 2
    width: int = 8
    words: int = 420
    tokens: int = 32


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds of each turn with the tiers and without, and the part of all prompts that was found in them."""

    kept: list[float]
    dropped: list[float]
    found: float

    @property
    def share(self) -> float:
        """The part by which keeping makes it slower: the middle one of all neighbouring turns."""
        return median(kept / dropped for kept, dropped in zip(self.kept, self.dropped, strict=True)) - 1


async def measure_overhead(server: ChatServer, client: Client, load: UnsharedLoad) -> Overhead:
    """Measure. The server's budgets are afterwards as they were."""
    numbers, prompt_tokens, found_tokens = count(), 0, 0
    tiers = (await client.stats()).tiers
    kept: list[float] = []
    dropped: list[float] = []
    for turn in range(load.turns):
        # Which comes first alternates: a machine that slows down must not count against one of them.
        for keep in (True, False) if turn % 2 else (False, True):
            await client.budget(
                ram_bytes=tiers["ram"].budget if keep else 0, disk_bytes=tiers["disk"].budget if keep else 0
            )
            await _until_at_rest(client)
            began = time.perf_counter()
            for _ in range(load.rounds):
                prompts = [_prompt(next(numbers), load.words) for _ in range(load.width)]
                answers = await asyncio.gather(*(server.ask(prompt, load.tokens) for prompt in prompts))
                prompt_tokens += sum(answer.prompt_tokens for answer in answers)
                found_tokens += sum(answer.cached_tokens for answer in answers)
            (kept if keep else dropped).append(time.perf_counter() - began)
    await client.budget(ram_bytes=tiers["ram"].budget, disk_bytes=tiers["disk"].budget)
    return Overhead(kept, dropped, found_tokens / prompt_tokens)


async def _until_at_rest(client: Client) -> None:
    """Until what there is on disk stays the same for a while."""
    began, sizes = time.perf_counter(), [-1]
    while time.perf_counter() - began < _RESTS_WITHIN:
        sizes.append((await client.stats()).tiers["disk"].used)
        if all(a == b for a, b in pairwise(sizes[-3:])):
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _prompt(number: int, words: int) -> list[Message]:
    return [{"role": "system", "content": f"{number} is you. {prose(Random(number), words)}"}, _QUESTION]


_QUESTION: Message = {"role": "user", "content": "Tell me everything you know about the valley."}
