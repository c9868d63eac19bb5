"""The engine: schedule, run, deliver. Sans-I/O, no threads, no sockets, no clock but for timings.

Not thread-safe: one thread calls everything here.
"""

import logging
import time
from collections.abc import Callable, Collection
from typing import TypeVar

import torch

from npc_engine.errors import LimitExceeded
from npc_engine.inference.counters import Counters
from npc_engine.inference.freed import return_device_memory, return_freed
from npc_engine.inference.kv.block import Block, common_length
from npc_engine.inference.kv.cache import KvCache, Lookup
from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Span, make_batch
from npc_engine.inference.model.runner import Runner
from npc_engine.inference.request import Budgets, CacheState, EngineStats, FinishReason, Output, Request, TierUse
from npc_engine.inference.sampling import choose
from npc_engine.inference.scheduler import Scheduler, Work
from npc_engine.inference.sequence import Sequence
from npc_engine.inference.team_size import TeamSize
from npc_engine.inference.teams import compute_with
from npc_engine.inference.tokenizer import Tokenizer

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_GROWTH = 64
"""Tokens by which everyone must be able to grow before another one is let in: who is let in should stay."""


class Engine:
    """Continues token sequences, many at a time, and keeps their attention state between requests."""

    def __init__(
        self, runner: Runner, tokenizer: Tokenizer, slots: Slots, cache: KvCache, team_size: TeamSize | None = None
    ) -> None:
        """Without a ``team_size`` torch's number of threads stays as it is."""
        self._runner, self._tokenizer = runner, tokenizer
        self._slots, self._cache = slots, cache
        self._team_size = team_size
        self._scheduler = Scheduler()
        self._counters = Counters()
        self._sequences: dict[str, Sequence] = {}
        self._cancelled: set[str] = set()
        self._failed = False
        self._outbox: list[Output] = []

    @property
    def max_context(self) -> int:
        """Tokens that one sequence can hold, prompt and reply together."""
        return self._slots.max_capacity

    @property
    def vocab(self) -> int:
        """How many tokens the model has: ids are below."""
        return self._runner.spec.vocab

    @property
    def has_work(self) -> bool:
        """Whether ``step`` has something to do."""
        return bool(self._sequences or self._outbox)

    def submit(self, request: Request) -> None:
        """Queue a request. Its id must be new, its prompt not empty, and prompt and reply fit ``max_context``."""
        assert request.id not in self._sequences
        assert request.prompt
        assert len(request.prompt) + request.sampling.max_tokens <= self.max_context
        assert request.scored < len(request.prompt)
        sequence = Sequence(request, self._tokenizer.detokenizer())
        self._sequences[request.id] = sequence
        self._scheduler.add(sequence)

    def cancel(self, request_id: str) -> None:
        """End a request with the next step, which delivers its last output. An id that has just ended is ignored."""
        self._cancelled.add(request_id)

    @property
    def stalled(self) -> bool:
        """Whether all that there is to do waits for the disk: until it has answered, ``step`` does nothing."""
        idle = not (self._scheduler.running or self._cancelled or self._outbox)
        waiting = self._scheduler.waiting
        return idle and bool(waiting) and all(sequence.awaits_disk for sequence in waiting)

    @property
    def awaits_disk(self) -> bool:
        """Whether the disk was asked something that it has not answered."""
        return self._cache.awaits_disk

    def on_disk(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called, on the disk's thread, whenever the disk has done something: ``tend`` then."""
        self._cache.on_disk(listener)

    def cache_state(self, prompt: tuple[int, ...]) -> CacheState:
        """What is kept of ``prompt``'s attention state."""
        running = self._scheduler.running
        in_slots = max((common_length(prompt, tuple(s.tokens[: s.computed])) for s in running), default=0)
        per_token = self._runner.spec.kv_bytes_per_token(self._runner.dtype)
        tokens, nbytes = self._cache.held(prompt, behind=in_slots)
        return CacheState(max(tokens, in_slots), {"device": in_slots * per_token, **nbytes})

    def prefetch(self, prompt: tuple[int, ...], within: float) -> None:
        """See Generator."""
        self._cache.expect(prompt, within)

    def set_budgets(self, budgets: Budgets) -> None:
        """See Generator."""
        if budgets.device is not None:
            if budgets.device < self._slots.least_budget:
                raise LimitExceeded(
                    f"A device budget of {budgets.device:,} bytes does not hold one context of {self.max_context} "
                    "tokens.",
                    remedy=f"Allow at least {self._slots.least_budget:,} bytes, or lower max_context.",
                )
            self._slots.budget = budgets.device
            self._fit_device()
            self._slots.shrink([sequence.computed for sequence in self._scheduler.running])
        self._cache.set_budgets(budgets.ram, budgets.disk)
        return_device_memory()

    def forget_beyond(self, prompt: tuple[int, ...], shared: int, keep: Collection[tuple[int, ...]]) -> bool:
        """Delete what Generator.forget says. False if some of it is in use: ask again in a moment."""
        # Whoever has all of the prompt in it may be about to keep it again.
        if len(prompt) > shared and any(tuple(s.tokens[: len(prompt)]) == prompt for s in self._sequences.values()):
            return False
        return self._cache.forget(prompt[:shared], keep)

    def stats(self) -> EngineStats:
        """See Generator."""
        tiers = {"device": TierUse(self._slots.nbytes, self._slots.budget)}
        tiers |= {tier: TierUse(*use) for tier, use in self._cache.use().items()}
        return self._counters.stats(len(self._scheduler.running), len(self._scheduler.waiting), tiers)

    @torch.inference_mode()
    def step(self) -> list[Output]:
        """One forward pass over as much work as fits. Returns what it added to each request.

        A step that fails ends the requests that were running, with finish ``error``, and leaves the engine usable. If
        none were, all kept attention state is dropped; and if the next one fails all the same, those who wait end too.
        """
        try:
            self.poll()
            self._end_unwanted()
            self._fit_device()
            self._admit()
            if work := self._scheduler.plan():
                self._run(work)
            self._failed = False
        except Exception as error:  # whatever a kernel raises, or a full memory, must not end everyone's world
            _log.exception("a step failed; its requests end")
            self._abandon(repr(error))
        return self._delivery()

    def sweep(self) -> list[Output]:
        """End what was cancelled or would come too late, when there is no step that would. Returns how they ended."""
        self._end_unwanted()
        return self._delivery()

    def check_integrity(self) -> None:
        """Assert what must hold between steps."""
        running = self._scheduler.running
        assert self._slots.used == len(running)
        assert self._slots.keys.shape == self._slots.values.shape
        assert len(self._sequences) == len(running) + len(self._scheduler.waiting)
        assert self._slots.nbytes <= self._slots.budget
        self._cache.check_integrity([s.held for s in self._scheduler.waiting if s.held is not None])

    def forget(self) -> None:
        """Drop all kept attention state: conversations are read again. For when it can't be trusted."""
        for sequence in self._scheduler.waiting:
            sequence.held, sequence.awaits_disk = None, False
        self._cache.clear()

    def poll(self) -> None:
        """See what the disk has done, when there is no step that would."""
        self._looking_after(self._cache.poll)

    def write_down(self) -> bool:
        """Start writing what is only in memory to disk, while nobody speaks. Whether there was something to write."""
        return self._looking_after(self._cache.write_down) or False

    def _looking_after(self, duty: Callable[[], _T]) -> _T | None:
        try:
            return duty()
        except Exception:  # nobody asked for this: it must not end the thread that answers
            _log.exception("kept attention state can't be looked after; all of it is dropped")
            self.forget()
            return None

    def close(self) -> None:
        """Write down what is kept, so that the next start finds it."""
        self._cache.close()

    def trim(self) -> None:
        """Give memory back that only a crowd needs. Does nothing while requests run."""
        if not self._slots.used:
            self._slots.clear()
            return_freed()

    def _delivery(self) -> list[Output]:
        outputs, self._outbox = self._outbox, []
        return outputs

    def _run(self, work: list[Work]) -> None:
        spans, token_ids = [], []
        slot_of = {id(s): slot for slot, s in enumerate(self._scheduler.running)}
        alike = self._scheduler.alike()
        for sequence, length in work:
            start, end = sequence.computed, sequence.computed + length
            slot = slot_of[id(sequence)]
            spans.append(Span(slot, start, length, sequence.wanted(length), alike[slot]))
            token_ids.extend(sequence.tokens[start:end])
        runner = self._runner
        batch = make_batch(spans, token_ids, fold=runner.spec.group, dtype=runner.dtype, device=runner.device)
        if self._team_size is not None:
            compute_with(self._team_size.threads)
        started, busy = time.monotonic(), time.thread_time()
        logits = runner.forward(batch, self._slots)
        if any(sequence.request.scored for sequence, _ in work):
            logits = _score(work, spans, logits)
        sampling = [s for s, length in work if s.samples_after(length)]
        chosen = choose(logits, [s.chooser for s in sampling]) if sampling else []
        ended = time.monotonic()
        if sampling or runner.device.type == "cpu":
            # Otherwise the device has only been told what to do: choosing waits for it.
            self._scheduler.step_size.ran(_prompt_tokens(work), ended - started)
        if self._team_size is not None:
            self._team_size.ran(_kind(work), ended - started, time.thread_time() - busy, ended)
        self._counters.ran(len(chosen))
        self._deliver(work, dict(zip(map(id, sampling), chosen, strict=True)))

    def _deliver(self, work: list[Work], chosen: dict[int, int]) -> None:
        # All progress is noted before anyone leaves: leaving moves another sequence's state to the free slot.
        for sequence, length in work:
            was_prompt = not sequence.decoding
            sequence.computed += length
            if was_prompt:
                self._save(sequence, tail=False)
        for sequence, _ in work:
            if id(sequence) in chosen:
                self._outbox.append(sequence.take(chosen[id(sequence)]))
            elif sequence.remaining == 0:
                self._outbox.append(sequence.end(FinishReason.LENGTH))
            if sequence.finish is not None:
                self._retire(sequence)

    def _admit(self) -> None:
        for sequence in self._scheduler.candidates():
            found, match = self._cache.look_up(sequence.tokens, sequence.loadable)
            self._hold(sequence, match.last)
            sequence.awaits_disk = found is Lookup.PENDING
            if sequence.awaits_disk:
                continue
            if not self._make_slot(sequence):
                return
            started = time.monotonic()
            self._scheduler.admit(sequence, self._slots.take())
            self._reserve()
            self._cache.load(match, self._slots, self._slots.used - 1)
            self._hold(sequence, None)
            sequence.admitted(match.length, time.monotonic() - started)
            self._counters.admitted(match.length, len(sequence.tokens) - match.length)

    def _make_slot(self, candidate: Sequence) -> bool:
        """See that there is a slot for ``candidate``, even by parking who ranks behind it. Whether there is."""
        stay = [s for s in self._scheduler.running if s.request.priority <= candidate.request.priority]
        longest = max(len(s.tokens) for s in (*stay, candidate)) + _GROWTH
        if stay and not (len(stay) < self._slots.max_slots and self._slots.fits(len(stay) + 1, longest)):
            return False  # parking all others would not help
        while not self._slots.can_take(self._longest(candidate) + _GROWTH):
            victim = self._scheduler.to_park(candidate)
            if victim is None:
                return not self._slots.used
            self._park(victim)
        return True

    def _fit_device(self) -> None:
        """Park the last in rank until the others have room to grow."""
        while self._slots.used > 1 and not self._slots.fits(self._slots.used, self._longest()):
            self._park(max(self._scheduler.running, key=lambda s: s.rank))
        if self._slots.used:
            self._reserve()

    def _park(self, sequence: Sequence) -> None:
        self._release(sequence)
        sequence.park()
        self._counters.parked += 1
        self._scheduler.add(sequence)
        self._hold(sequence, self._cache.match(sequence.tokens, len(sequence.tokens)).last)

    def _hold(self, sequence: Sequence, block: Block | None) -> None:
        """Keep what ``sequence`` is going to load, instead of what was kept for it before."""
        self._cache.hold(block)
        self._cache.release(sequence.held)
        sequence.held = block

    def _longest(self, *others: Sequence) -> int:
        """Tokens of the longest sequence that runs or is among ``others``."""
        return max(len(sequence.tokens) for sequence in (*self._scheduler.running, *others))

    def _end_unwanted(self) -> None:
        for request_id in self._cancelled & self._sequences.keys():
            self._end(self._sequences[request_id], FinishReason.CANCELLED)
        self._cancelled.clear()
        now = time.monotonic()
        for sequence in list(self._sequences.values()):
            deadline = sequence.request.deadline
            if deadline is not None and now > deadline and not sequence.began:
                self._end(sequence, FinishReason.DEADLINE)

    def _abandon(self, error: str) -> None:
        """End every running request without touching its state, which a failure may have left half-written.

        With none, it was admitting that failed, and would for ever: first what is kept goes, then who waits.
        """
        if not self._scheduler.running:
            self.forget()
            for sequence in list(self._scheduler.waiting) if self._failed else []:
                self._outbox.append(sequence.end(FinishReason.ERROR, error=error))
                self._retire(sequence)
        self._failed = True
        for sequence in self._scheduler.running:
            self._hold(sequence, None)
            del self._sequences[sequence.request.id]
            if sequence.finish is None:
                self._outbox.append(sequence.end(FinishReason.ERROR, error=error))
        self._scheduler.clear()
        self._slots.clear()

    def _end(self, sequence: Sequence, finish: FinishReason) -> None:
        self._outbox.append(sequence.end(finish))
        self._retire(sequence)

    def _retire(self, sequence: Sequence) -> None:
        self._release(sequence)
        del self._sequences[sequence.request.id]

    def _release(self, sequence: Sequence) -> None:
        """Take a sequence out of queue or slot, its state written through to blocks first."""
        if sequence in self._scheduler.running and (sequence.request.keep or sequence.finish is None):
            self._save(sequence, tail=True)
        self._hold(sequence, None)
        slot = self._scheduler.remove(sequence)
        if slot is not None:
            moved = self._scheduler.running[slot] if slot < len(self._scheduler.running) else None
            self._slots.release(slot, moved.computed if moved else 0)

    def _reserve(self) -> None:
        self._slots.reserve(self._longest(), [sequence.computed for sequence in self._scheduler.running])

    def _save(self, sequence: Sequence, *, tail: bool) -> None:
        slot = self._scheduler.running.index(sequence)
        try:
            self._cache.save(sequence.tokens[: sequence.computed], self._slots, slot, tail=tail)
        except (MemoryError, RuntimeError, OSError):  # torch raises RuntimeError when memory is short
            _log.exception("attention state could not be kept; it will be computed anew")


def _prompt_tokens(work: list[Work]) -> int:
    return sum(length for sequence, length in work if not sequence.replying)


def _kind(work: list[Work]) -> tuple[int, int]:
    """Steps of one kind take about as long: how many tokens they compute, and look back on, to a power of two."""
    computed, seen = sum(length for _, length in work), sum(s.computed + length for s, length in work)
    return computed.bit_length(), seen.bit_length()


def _score(work: list[Work], spans: list[Span], logits: torch.Tensor) -> torch.Tensor:
    """Give everyone the logits it is scored by. Those [sampling sequences, vocab] that tokens are chosen from."""
    kept, at = [], 0
    for (sequence, length), span in zip(work, spans, strict=True):
        if sequence.samples_after(length):
            kept.append(at + span.sample - 1)
        sequence.score(logits[at : at + span.sample])
        at += span.sample
    return logits[kept]
