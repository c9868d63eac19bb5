"""Decoding as a game feels it: so many NPCs answer at once, and only the time in which all of them do is counted."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from statistics import median

from npc_engine.cli.bench.chat import Answer, ChatServer, Message
from npc_engine.cli.bench.prose import prose_of


@dataclass(frozen=True, slots=True)
class StreamLoad:
    """``width`` answers of ``tokens`` tokens at once. Half way through, each has a context of ``context`` tokens, the
    first ``shared`` of which all have in common."""

    width: int
    context: int = 600
    shared: int = 300
    tokens: int = 128


@dataclass(frozen=True, slots=True)
class Streams:
    """Tokens per second while all answered, for how many seconds, and the tokens in the middle one's prompt.

    ``rate`` is not a number where they never all answered at once.
    """

    rate: float
    seconds: float
    prompt_tokens: int


async def decode_together(server: ChatServer, load: StreamLoad, count: Callable[[str], int]) -> Streams:
    """Measure. ``count`` tells the tokens in a text. Prompts are read before, so that a server may have them ready."""
    prompts = conversations(load, count)
    await _all(server, prompts, 1)
    return _steady(await _all(server, prompts, load.tokens))


def conversations(load: StreamLoad, count: Callable[[str], int]) -> list[list[Message]]:
    """What each NPC is asked: the world that all share, then a question of its own."""
    world: Message = {"role": "system", "content": prose_of(Random(load.width), load.shared, count)}
    own = load.context - load.shared - load.tokens // 2
    return [
        [world, {"role": "user", "content": prose_of(Random(1000 * load.width + i), own, count)}]
        for i in range(load.width)
    ]


async def _all(server: ChatServer, prompts: list[list[Message]], tokens: int) -> list[Answer]:
    return await asyncio.gather(*(server.ask(prompt, tokens) for prompt in prompts))


def _steady(answers: list[Answer]) -> Streams:
    begin = max(answer.pieces[0] if answer.pieces else answer.ended for answer in answers)
    end = min(answer.pieces[-1] if answer.pieces else answer.asked for answer in answers)
    prompt = round(median(answer.prompt_tokens for answer in answers))
    if end <= begin:
        return Streams(float("nan"), 0.0, prompt)
    tokens = sum(answer.tokens_between(begin, end) for answer in answers)
    return Streams(tokens / (end - begin), end - begin, prompt)
