"""NPCs that return: from RAM, from disk, and after the process was killed.

There are more of them than RAM has room for, so that those of the beginning are on disk alone. Some of these are spoken
to twice in a row, alone: the first answer needs what is on disk, the second what that has brought to RAM.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from npc_engine.cli.bench.chat import Answer, ChatServer, Message
from npc_engine.cli.bench.measure import percentile
from npc_engine.cli.bench.prose import prose, prose_of

_LINE_WORDS = 16


@dataclass(frozen=True, slots=True)
class CrowdLoad:
    """So many NPCs of ``context`` tokens, the first ``shared`` of which all have in common; ``at_once`` are spoken to
    together at first; ``sample`` of them are looked at when they return. Each answer has ``tokens`` tokens."""

    npcs: int = 1000
    context: int = 600
    shared: int = 300
    at_once: int = 8
    sample: int = 64
    tokens: int = 8


@dataclass(frozen=True, slots=True)
class Returns:
    """Answers to NPCs' first lines after a while, and to their next ones right after."""

    cold: Sequence[Answer]
    warm: Sequence[Answer]

    def explain(self) -> str:
        """How many there were, and of both answers the median and how much of the prompts was found, not computed."""
        firsts = " and ".join(f"{first_token(answers, 0.5) * 1e3:.0f}" for answers in (self.cold, self.warm))
        found = " and ".join(f"{_found(answers):.0%}" for answers in (self.cold, self.warm))
        return f"{len(self.cold)} NPCs; then and next: p50 {firsts} ms, {found} of prompts found"


class Crowd:
    """NPCs with their histories. ``count`` tells the tokens in a text."""

    def __init__(self, load: CrowdLoad, count: Callable[[str], int]) -> None:
        rng = Random(7)
        world = prose_of(rng, load.shared, count)
        own = load.context - load.shared - 2 * _LINE_WORDS - load.tokens
        self.load = load
        self._histories: list[list[Message]] = [
            [_message("system", f"{world} {prose_of(rng, own, count)}")] for _ in range(load.npcs)
        ]
        self._rng = rng

    async def fill(self, server: ChatServer) -> None:
        """Speak to everyone once."""
        for first in range(0, self.load.npcs, self.load.at_once):
            group = range(first, min(first + self.load.at_once, self.load.npcs))
            await asyncio.gather(*(self._speak(server, i) for i in group))

    async def come_back(self, server: ChatServer, part: int, parts: int) -> Returns:
        """Two lines to each of some of those who were spoken to longest ago: the ``part``-th of ``parts`` samples."""
        oldest = range(self.load.npcs // 2)[part::parts]
        sample = self._rng.sample(oldest, min(self.load.sample, len(oldest)))
        cold, warm = [], []
        for i in sample:
            cold.append(await self._speak(server, i))
            warm.append(await self._speak(server, i))
        return Returns(cold, warm)

    async def _speak(self, server: ChatServer, i: int) -> Answer:
        history = self._histories[i]
        history.append(_message("user", prose(self._rng, _LINE_WORDS)))
        answer = await server.ask(history, self.load.tokens)
        history.append(_message("assistant", answer.text))
        return answer


def first_token(answers: Sequence[Answer], share: float) -> float:
    """Seconds until the first token, at a percentile."""
    return percentile([answer.first_token for answer in answers], share)


def _found(answers: Sequence[Answer]) -> float:
    return median(answer.cached_tokens / answer.prompt_tokens for answer in answers)


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}
