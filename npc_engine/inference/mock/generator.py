"""The mock as a ``Generator``: no model and no thread, everything else as the engine does it."""

import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from random import Random

from npc_engine.errors import LimitExceeded, NpcEngineError, Overloaded
from npc_engine.inference.counters import Counters
from npc_engine.inference.mock.lines import line
from npc_engine.inference.mock.walk import endings, walk
from npc_engine.inference.pace import Pace
from npc_engine.inference.request import (
    TIERS,
    Budgets,
    CacheState,
    EngineStats,
    FinishReason,
    Output,
    Request,
    TierUse,
    Timings,
    Usage,
)
from npc_engine.inference.tokenizer import StopFinder, Tokenizer

_SURPRISE = 20.0
"""Nats of the least likely: far enough from the likeliest that one of a few actions is often wanted, and often none."""

MAX_OPEN = 1024
"""Requests that may run at once, as many as may wait for the engine."""


class MockGenerator:
    """Says lines that follow from a request's seed; without one, from ``seed`` and its prompt. A ``Generator``.

    Under a grammar it says anything that the grammar allows, and any likelihood that is asked for is as random.

    ``pace`` is seconds per token; at 0 others are let in between two tokens all the same. Limits, deadlines, stops and
    counters are kept; attention state there is none of, so all of a prompt counts as known and budgets hold nothing.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_context: int,
        seed: int = 0,
        pace: float = 0.0,
        budgets: Budgets | None = None,
    ) -> None:
        self._tokenizer, self._max_context, self._seed, self._pace = tokenizer, max_context, seed, pace
        self._budgets = budgets or Budgets()
        self._limit = Pace()
        self._brisk = endings(tokenizer)
        self._numbers = itertools.count()
        self._open: set[str] = set()
        self._counters = Counters()

    @property
    def max_context(self) -> int:
        """See Generator."""
        return self._max_context

    def new_id(self) -> str:
        """See Generator."""
        return f"m{next(self._numbers)}"

    async def generate(self, request: Request) -> AsyncGenerator[Output, None]:
        """See Generator. Raises LimitExceeded for a prompt that does not fit, Overloaded when too many run."""
        self._check(request)
        self._open.add(request.id)
        try:
            self._counters.admitted(len(request.prompt), 0)
            for output in _Speech(request, self._tokenizer, self._seed, self._brisk).outputs():
                self._counters.ran(len(output.token_ids))
                if output.token_ids:
                    await asyncio.sleep(max(self._pace, self._turn(len(output.token_ids))))
                yield output
        finally:
            self._open.discard(request.id)

    async def cache_state(self, prompt: tuple[int, ...]) -> CacheState:
        """Nothing takes memory, and nothing is left to compute."""
        return CacheState(len(prompt), {})

    async def prefetch(self, prompt: tuple[int, ...], within: float) -> None:
        """See Generator. There is nothing to bring up."""

    async def forget(self, prompt: tuple[int, ...], shared: int, keep: Sequence[tuple[int, ...]]) -> None:
        """See Generator. There is nothing kept."""

    async def set_budgets(self, budgets: Budgets) -> None:
        """See Generator. A context needs nothing, so nothing is too little."""
        given = {tier: nbytes for tier in TIERS if (nbytes := getattr(budgets, tier)) is not None}
        self._budgets = replace(self._budgets, **given)
        if budgets.tokens_per_second is not None:
            self._limit.limit(budgets.tokens_per_second)

    async def stats(self) -> EngineStats:
        """See Generator."""
        tiers = {tier: TierUse(0, getattr(self._budgets, tier) or 0) for tier in TIERS}
        return self._counters.stats(running=len(self._open), waiting=0, tiers=tiers)

    def _turn(self, tokens: int) -> float:
        """Seconds until so many more tokens may be said, which are taken to be."""
        now = time.monotonic()
        seconds = self._limit.pause(now)
        self._limit.spend(tokens, now)
        return seconds

    def _check(self, request: Request) -> None:
        most = self._max_context - request.sampling.max_tokens
        if not 0 < len(request.prompt) <= most:
            raise LimitExceeded(
                f"A prompt of {len(request.prompt)} tokens does not fit: with {request.sampling.max_tokens} tokens of "
                f"reply there is room for {most}.",
                remedy="Send less text, or start the server with a larger max_context.",
            )
        if len(self._open) >= MAX_OPEN:
            raise Overloaded(f"{MAX_OPEN} requests run already.", remedy="Ask again later.", retry_after_ms=2000)
        if request.id in self._open:
            raise NpcEngineError(f"the request id {request.id!r} is in use: take one from new_id")


class _Speech:
    """The outputs of one request, one a token."""

    def __init__(self, request: Request, tokenizer: Tokenizer, seed: int, brisk: frozenset[int]) -> None:
        self._request, self._tokenizer, self._brisk = request, tokenizer, brisk
        given = request.sampling.seed
        self._random = Random(given if given is not None else _seed_of(seed, request.prompt))
        self._stops = StopFinder(request.sampling.stop)
        self._sampled = 0
        self._first = 0.0

    def outputs(self) -> Iterator[Output]:
        """Ends with the output that has ``finish``."""
        request, most = self._request, self._request.sampling.max_tokens
        if request.deadline is not None and time.monotonic() > request.deadline:
            yield self._output((), "", FinishReason.DEADLINE)
            return
        detokenizer = self._tokenizer.detokenizer()
        for token_id in itertools.islice(self._ids(), most):
            self._sampled += 1
            self._first = self._first or time.monotonic()
            text, stopped = self._stops.feed(detokenizer.feed(token_id))
            if stopped:
                yield self._output((token_id,), text, FinishReason.STOP)
                return
            yield self._output((token_id,), text)
        yield self._output((), self._stops.flush(), FinishReason.LENGTH if self._sampled >= most else FinishReason.STOP)

    def _ids(self) -> Iterator[int]:
        """What is said, as token ids: what a grammar allows, one line, or lines that only a limit ends."""
        if self._request.grammar is not None:
            sampling = self._request.sampling
            yield from walk(self._request.grammar, self._random, brisk=self._brisk, stop_ids=sampling.stop_ids)
            return
        yield from self._tokenizer.encode_text(f" {line(self._random)}")
        while self._request.sampling.ignore_stop_ids:
            yield from self._tokenizer.encode_text(f" {line(self._random)}")

    def _output(self, token_ids: tuple[int, ...], text: str, finish: FinishReason | None = None) -> Output:
        now, arrival = time.monotonic(), self._request.arrival
        first = (self._first or now) - arrival
        timings = Timings(prefill=first, first_token=first, total=now - arrival)
        usage = Usage(len(self._request.prompt), 0, self._sampled)
        return Output(self._request.id, usage, timings, token_ids, text, finish, scores=self._scores(finish))

    def _scores(self, finish: FinishReason | None) -> tuple[float, ...]:
        """Log-probabilities that together are anything between a sure thing and a surprise."""
        wanted = self._request.scored if finish is not None else 0
        return (self._random.uniform(-_SURPRISE, 0) / wanted,) * wanted if wanted else ()


def _seed_of(seed: int, prompt: tuple[int, ...]) -> int:
    digest = hashlib.blake2b(f"{seed} {prompt}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")
