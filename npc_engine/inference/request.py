"""What goes into the engine and what comes out of it. Plain data: no tensors, no threads."""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from npc_engine.inference.grammar import Grammar

TIERS = ("device", "ram", "disk")
"""Where attention state can be, fastest first."""


class Priority(IntEnum):
    """Who is served first; lower is sooner."""

    PLAYER = 0
    AMBIENT = 1
    IDLE = 2


class FinishReason(StrEnum):
    """Why a request ended."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.

    ``temperature`` 0 is greedy. ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 switch those filters off. The three penalties
    look at the last ``penalty_window`` generated tokens. ``loop_penalty`` (0: off) lowers a token that would prolong a
    repetition, the more the longer it is already, in what was generated and in ``said_before``, ids of earlier replies
    that must not come again word for word. ``seed`` None draws from the system. ``max_tokens`` 0 computes the prompt's
    attention state and samples nothing. ``stop`` strings end the text before them. ``stop_ids`` are token ids that end
    it (the model's end-of-turn ids), unless ``ignore_stop_ids``.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalty_window: int = 64
    loop_penalty: float = 0.0
    said_before: tuple[int, ...] = ()
    seed: int | None = None
    max_tokens: int = 128
    stop: tuple[str, ...] = ()
    stop_ids: frozenset[int] = frozenset()
    ignore_stop_ids: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One continuation to compute: prompt token ids in, at most ``sampling.max_tokens`` ids out.

    ``deadline`` is on the ``time.monotonic`` clock, in seconds. ``arrival`` too. With a ``grammar`` the answer keeps to
    it and stops when it is complete; the model's end ids must be among the stop ids.

    Of the last ``scored`` ids of the prompt, fewer than all, the log-probabilities are wanted too. Without ``keep`` the
    state behind the last whole block is dropped at the end: for questions that nobody asks again.
    """

    id: str
    prompt: tuple[int, ...]
    sampling: Sampling = field(default_factory=Sampling)
    priority: Priority = Priority.PLAYER
    deadline: float | None = None
    arrival: float = field(default_factory=time.monotonic)
    grammar: "Grammar | None" = None
    scored: int = 0
    keep: bool = True


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went, in seconds: waiting, copying KV up, prefill, until the first token, all of it."""

    queue: float = 0.0
    restore: float = 0.0
    prefill: float = 0.0
    first_token: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts: in the prompt, of those found in the cache, and sampled."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """What one step added to a request. ``text`` is valid Unicode: bytes of a half-finished character are held back.

    ``usage`` and ``timings`` are those up to now. The last output of a request, and only the last, has ``finish``; with
    finish ``error``, ``error`` says what happened. ``scores`` come with the last output: the natural logarithms of
    the probabilities that were wanted.
    """

    request_id: str
    usage: Usage
    timings: Timings
    token_ids: tuple[int, ...] = ()
    text: str = ""
    finish: FinishReason | None = None
    error: str = ""
    scores: tuple[float, ...] = ()


class CacheState(NamedTuple):
    """How much of a prompt has its attention state kept: tokens, and bytes by tier, each block in its fastest one."""

    tokens: int
    nbytes_in: Mapping[str, int]

    @property
    def nbytes(self) -> int:
        """Bytes in all tiers together."""
        return sum(self.nbytes_in.values())

    @property
    def tier(self) -> str:
        """The slowest tier that some of it must come from: ``device``, ``ram``, ``disk``, or ``none``."""
        held = [tier for tier in TIERS if self.nbytes_in.get(tier)]
        return held[-1] if held else "none"


class TierUse(NamedTuple):
    """Bytes of attention state in one tier, and the most there may be."""

    used: int
    budget: int


@dataclass(frozen=True, slots=True)
class Budgets:
    """The most bytes of attention state each tier may take, and the most tokens that are generated in a second.

    None leaves a budget as it is; no tokens per second are no limit.
    """

    device: int | None = None
    ram: int | None = None
    disk: int | None = None
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counters since the start, and what is there now. ``tiers`` by name, fastest first."""

    running: int = 0
    waiting: int = 0
    steps: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    parked: int = 0
    tiers: Mapping[str, TierUse] = field(default_factory=dict)


class Generator(Protocol):
    """Whatever turns requests into outputs: the engine's thread, or a peer behind a network."""

    @property
    def max_context(self) -> int:
        """Tokens that prompt and reply may have together."""
        ...

    def new_id(self) -> str:
        """A request id that no other request of this generator has."""
        ...

    def generate(self, request: Request) -> AsyncGenerator[Output, None]:
        """Yield outputs until one has ``finish``. Closing the iterator early cancels the request."""
        ...

    async def cache_state(self, prompt: tuple[int, ...]) -> CacheState:
        """What is kept of ``prompt``'s attention state."""
        ...

    async def prefetch(self, prompt: tuple[int, ...], within: float) -> None:
        """``prompt`` is likely to be continued ``within`` so many seconds: bring its attention state up until then."""
        ...

    async def forget(self, prompt: tuple[int, ...], shared: int, keep: Sequence[tuple[int, ...]]) -> None:
        """Delete the attention state of all that ever continued the first ``shared`` tokens of ``prompt``.

        What the prompts in ``keep`` begin with stays, but for a block's worth at most.
        """
        ...

    async def set_budgets(self, budgets: Budgets) -> None:
        """Change what may be taken, from now on. Raises LimitExceeded for less than one context needs."""
        ...

    async def stats(self) -> EngineStats:
        """How much there is to do, and what was done."""
        ...
