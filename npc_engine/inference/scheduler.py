"""Who runs in the next step, and with how many tokens. Policy only: no tensors.

Each sequence has ``computed`` tokens that chase ``len(tokens)``. Decodes go first, one token each; what is left of the
step's token budget prefills, in chunks, so that a long prompt never stalls a running reply.
"""

from collections.abc import Iterator
from typing import NamedTuple

from npc_engine.inference.kv.block import common_length
from npc_engine.inference.request import Priority
from npc_engine.inference.sequence import Sequence
from npc_engine.inference.step_size import FIRST, StepSize

_SPARE = 1.25
"""How much larger than planned a step may be if a prompt is read to its end by that, instead of by another step."""

WORTH_WAITING = 32
"""A shared beginning of at least this many tokens is computed once: the second request waits for the first."""


class Work(NamedTuple):
    """Run the next ``length`` tokens of ``sequence``."""

    sequence: Sequence
    length: int


class Scheduler:
    """``running[slot]`` is the sequence in that slot; ``waiting`` is ordered by rank."""

    def __init__(self) -> None:
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self.step_size = StepSize()
        self._alike: list[int] | None = None

    def add(self, sequence: Sequence) -> None:
        """Queue a new or parked sequence behind everything that ranks before it."""
        self.waiting.append(sequence)
        self.waiting.sort(key=lambda s: s.rank)

    def remove(self, sequence: Sequence) -> int | None:
        """Forget a sequence. Its slot if it was running; the last sequence takes that slot over."""
        if sequence in self.waiting:
            self.waiting.remove(sequence)
            return None
        slot = self.running.index(sequence)
        self._alike = None
        last = self.running.pop()
        if last is not sequence:
            self.running[slot] = last
        return slot

    def alike(self) -> list[int]:
        """By slot, how many leading tokens its sequence has in common with the one in the slot before."""
        if self._alike is None:
            pairs = zip(self.running, self.running[1:], strict=False)
            self._alike = [0, *(common_length(tuple(a.tokens), tuple(b.tokens)) for a, b in pairs)]
        return self._alike

    def clear(self) -> None:
        """Nobody runs any more."""
        self._alike = None
        self.running.clear()

    def candidates(self) -> Iterator[Sequence]:
        """Who may get a slot, in order: all in the queue whom no running prefill is about to spare some work."""
        for sequence in list(self.waiting):
            if not self._should_wait(sequence):
                yield sequence

    def admit(self, sequence: Sequence, slot: int) -> None:
        """Let a waiting sequence run in ``slot``, the first free one."""
        assert slot == len(self.running)
        self._alike = None
        self.waiting.remove(sequence)
        self.running.append(sequence)

    def to_park(self, candidate: Sequence) -> Sequence | None:
        """Whom to take the slot from for ``candidate`` when all are taken: the last in rank, of a lower priority."""
        worst = max(self.running, key=lambda s: s.rank, default=None)
        if worst is None or worst.request.priority <= candidate.request.priority:
            return None
        return worst

    def plan(self) -> list[Work]:
        """The next step's work, in slot order."""
        chosen = {id(s): s.remaining for s in self.running if s.replying}
        prefills = sorted((s for s in self.running if not s.replying), key=lambda s: s.rank)
        someone_waits = any(s.request.priority < Priority.IDLE for s in self.running)
        if someone_waits:
            prefills = [s for s in prefills if s.request.priority < Priority.IDLE]
        # Whoever reads alone keeps nobody waiting.
        planned = budget = self.step_size.tokens if chosen else max(self.step_size.tokens, FIRST)
        spare = int(planned * _SPARE) - planned
        for sequence in prefills:
            if budget <= 0:
                break
            length = sequence.remaining if sequence.remaining <= budget + spare else budget
            chosen[id(sequence)] = length
            budget -= length
        return [Work(s, chosen[id(s)]) for s in self.running if id(s) in chosen]

    def _should_wait(self, candidate: Sequence) -> bool:
        prompt = candidate.request.prompt
        for runner in self.running:
            if runner.decoding or runner.remaining <= WORTH_WAITING:
                continue
            if runner.request.priority > candidate.request.priority:
                # Whoever is served later may be kept from computing for long: nobody waits for a lower priority.
                continue
            if common_length(runner.request.prompt, prompt) - runner.computed >= WORTH_WAITING:
                return True
        return False
