"""The engine: schedule, run, deliver. Sans-I/O, no threads, no sockets, no clock but for timings.

Not thread-safe: one thread calls everything here.
"""

import logging
import time

import torch

from npc_engine.inference.kv.blocks import BlockTree
from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Span, make_batch
from npc_engine.inference.model.runner import Runner
from npc_engine.inference.request import Budgets, CacheState, EngineStats, FinishReason, Output, Request
from npc_engine.inference.sampling import choose
from npc_engine.inference.scheduler import Scheduler, Work
from npc_engine.inference.sequence import Sequence
from npc_engine.inference.tokenizer import Tokenizer

_log = logging.getLogger(__name__)


class Engine:
    """Continues token sequences, many at a time, and keeps their attention state between requests."""

    def __init__(self, runner: Runner, tokenizer: Tokenizer, slots: Slots, blocks: BlockTree) -> None:
        self._runner, self._tokenizer = runner, tokenizer
        self._slots, self._blocks = slots, blocks
        self._scheduler = Scheduler()
        self._sequences: dict[str, Sequence] = {}
        self._cancelled: set[str] = set()
        self._outbox: list[Output] = []

    @property
    def max_context(self) -> int:
        """Tokens that one sequence can hold, prompt and reply together."""
        return self._slots.max_capacity

    @property
    def has_work(self) -> bool:
        """Whether ``step`` has something to do."""
        return bool(self._sequences or self._outbox)

    def submit(self, request: Request) -> None:
        """Queue a request. Its id must be new, its prompt not empty, and prompt and reply fit ``max_context``."""
        assert request.id not in self._sequences
        assert request.prompt
        assert len(request.prompt) + request.sampling.max_tokens <= self.max_context
        sequence = Sequence(request, self._tokenizer.detokenizer())
        self._sequences[request.id] = sequence
        self._scheduler.add(sequence)

    def cancel(self, request_id: str) -> None:
        """End a request with the next step, which delivers its last output. An id that has just ended is ignored."""
        self._cancelled.add(request_id)

    def cache_state(self, prompt: tuple[int, ...]) -> CacheState:
        """What is kept of ``prompt``'s attention state."""
        length = self._blocks.match(prompt, len(prompt)).length
        per_token = self._runner.spec.kv_bytes_per_token(self._runner.dtype)
        return CacheState(length, {"ram": length * per_token})

    def prefetch(self, prompt: tuple[int, ...], within: float) -> None:
        """See Generator."""

    def set_budgets(self, budgets: Budgets) -> None:
        """See Generator."""

    def stats(self) -> EngineStats:
        """See Generator."""
        return EngineStats(len(self._scheduler.running), len(self._scheduler.waiting))

    @torch.inference_mode()
    def step(self) -> list[Output]:
        """One forward pass over as much work as fits. Returns what it added to each request.

        A step that fails ends the requests that were running, with finish ``error``, and leaves the engine usable.
        """
        try:
            self._end_unwanted()
            self._admit()
            if work := self._scheduler.plan():
                self._run(work)
        except Exception as error:  # whatever a kernel raises, or a full memory, must not end everyone's world
            _log.exception("a step failed; its requests end")
            self._abandon(repr(error))
        outputs, self._outbox = self._outbox, []
        return outputs

    def check_integrity(self) -> None:
        """Assert what must hold between steps."""
        running = self._scheduler.running
        assert self._slots.used == len(running)
        assert self._slots.keys.shape == self._slots.values.shape
        assert len(self._sequences) == len(running) + len(self._scheduler.waiting)
        self._blocks.check_integrity()

    def forget(self) -> None:
        """Drop all kept attention state: conversations are read again. For when it can't be trusted."""
        self._blocks.clear()

    def trim(self) -> None:
        """Give memory back that only a crowd needs. Does nothing while requests run."""
        if not self._slots.used:
            self._slots.clear()

    def _run(self, work: list[Work]) -> None:
        spans, token_ids = [], []
        slot_of = {id(s): slot for slot, s in enumerate(self._scheduler.running)}
        for sequence, length in work:
            start, end = sequence.computed, sequence.computed + length
            samples = end == len(sequence.tokens) and sequence.request.sampling.max_tokens > 0
            spans.append(Span(slot_of[id(sequence)], start, length, samples))
            token_ids.extend(sequence.tokens[start:end])
        self._reserve(max(span.end for span in spans))
        runner = self._runner
        batch = make_batch(spans, token_ids, fold=runner.spec.group, dtype=runner.dtype, device=runner.device)
        logits = runner.forward(batch, self._slots)
        sampling = [s for (s, _), span in zip(work, spans, strict=True) if span.sample]
        chosen = choose(logits, [s.chooser for s in sampling]) if sampling else []
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
        while (sequence := self._scheduler.next_waiting()) is not None:
            if not self._slots.can_take():
                victim = self._scheduler.to_park(sequence)
                if victim is None:
                    return
                self._release(victim)
                victim.park()
                self._scheduler.add(victim)
            started = time.monotonic()
            self._scheduler.waiting.remove(sequence)
            slot = self._slots.take()
            self._scheduler.running.append(sequence)
            match = self._blocks.match(sequence.tokens, len(sequence.tokens) - 1)
            self._reserve(match.length)
            self._blocks.load(match, self._slots, slot)
            sequence.admitted(match.length, time.monotonic() - started)

    def _end_unwanted(self) -> None:
        for request_id in self._cancelled & self._sequences.keys():
            self._end(self._sequences[request_id], FinishReason.CANCELLED)
        self._cancelled.clear()
        now = time.monotonic()
        for sequence in list(self._sequences.values()):
            deadline = sequence.request.deadline
            if deadline is not None and now > deadline and sequence.sampled == 0:
                self._end(sequence, FinishReason.DEADLINE)

    def _abandon(self, error: str) -> None:
        """End every running request without touching its state, which a failure may have left half-written."""
        for sequence in self._scheduler.running:
            del self._sequences[sequence.request.id]
            if sequence.finish is None:
                self._outbox.append(sequence.end(FinishReason.ERROR, error=error))
        self._scheduler.running.clear()
        self._slots.clear()

    def _end(self, sequence: Sequence, finish: FinishReason) -> None:
        self._outbox.append(sequence.end(finish))
        self._retire(sequence)

    def _retire(self, sequence: Sequence) -> None:
        self._release(sequence)
        del self._sequences[sequence.request.id]

    def _release(self, sequence: Sequence) -> None:
        """Take a sequence out of queue or slot, its state written through to blocks first."""
        if sequence in self._scheduler.running:
            self._save(sequence, tail=True)
        slot = self._scheduler.remove(sequence)
        if slot is not None:
            moved = self._scheduler.running[slot] if slot < len(self._scheduler.running) else None
            self._slots.release(slot, moved.computed if moved else 0)

    def _reserve(self, capacity: int) -> None:
        self._slots.reserve(capacity, [sequence.computed for sequence in self._scheduler.running])

    def _save(self, sequence: Sequence, *, tail: bool) -> None:
        slot = self._scheduler.running.index(sequence)
        try:
            self._blocks.save(sequence.tokens[: sequence.computed], self._slots, slot, tail=tail)
        except (MemoryError, RuntimeError, OSError):  # torch raises RuntimeError when memory is short
            _log.exception("attention state could not be kept; it will be computed anew")
