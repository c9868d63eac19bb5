"""A request on its way through the engine."""

import time

import torch

from npc_engine.inference.kv.block import Block
from npc_engine.inference.request import FinishReason, Output, Request, Timings, Usage
from npc_engine.inference.sampling import Chooser
from npc_engine.inference.tokenizer import Detokenizer, StopFinder

_FEW = 16
"""Tokens that a reply may add to a step that reads for others."""


class Sequence:
    """``computed`` tokens of ``tokens`` have their KV in the slot; the scheduler lets it chase their number.

    Whoever holds a slot is running; a parked sequence has none and keeps everything else. ``held`` is the block that
    must not be evicted until a slot is there to load it into; ``awaits_disk`` while some of it is still being read.
    """

    def __init__(self, request: Request, detokenizer: Detokenizer) -> None:
        self.request = request
        self.tokens = list(request.prompt)
        self.computed = 0
        self.chooser = Chooser(request.sampling, request.grammar.guide() if request.grammar is not None else None)
        self.finish: FinishReason | None = None
        self.held: Block | None = None
        self.awaits_disk = False
        self._detokenizer = detokenizer
        self._stops = StopFinder(request.sampling.stop)
        self._scores: list[float] = []
        self._cached = self._delivered = 0
        self._admitted = self._queued = self._restored = self._first = 0.0
        # One token at least is sampled: it says that the prompt is done.
        self._follow(request.sampling.max_tokens - 1)

    @property
    def remaining(self) -> int:
        """Tokens whose KV is still to be computed; 1 while decoding."""
        return len(self.tokens) - self.computed

    @property
    def decoding(self) -> bool:
        """Whether the prompt is done and the next step adds one sampled token."""
        return self.computed >= len(self.request.prompt) and self.remaining == 1

    @property
    def replying(self) -> bool:
        """Whether the prompt is done and what remains is a sampled token, or a few that a grammar left no choice for.

        More than a few are being read again, as after a pause.
        """
        return self.computed >= len(self.request.prompt) and self.remaining <= _FEW

    @property
    def sampled(self) -> int:
        """Tokens generated so far."""
        return len(self.tokens) - len(self.request.prompt)

    @property
    def loadable(self) -> int:
        """Tokens whose KV may come from elsewhere: what follows must be run, for its logits."""
        return len(self.request.prompt) - self._unscored - 1 if self._unscored else len(self.tokens) - 1

    def wanted(self, length: int) -> int:
        """Of how many rows the logits are wanted, the last ones, when the next ``length`` tokens run."""
        sampled = int(self.samples_after(length))
        if not self._unscored:
            return sampled
        return max(sampled, min(length, self.computed + length - self.loadable))

    def samples_after(self, length: int) -> bool:
        """Whether a token is chosen after the next ``length`` tokens have run."""
        return self.computed + length == len(self.tokens) and self.request.sampling.max_tokens > 0

    @property
    def began(self) -> bool:
        """Whether the first token was sampled."""
        return self._first > 0.0

    @property
    def rank(self) -> tuple[int, float, float]:
        """Order of service: priority, then deadline, then arrival."""
        request = self.request
        return request.priority, request.deadline or float("inf"), request.arrival

    def admitted(self, cached: int, restored: float) -> None:
        """Note that a slot was given, ``cached`` tokens of it filled from blocks in ``restored`` seconds."""
        self.computed = cached
        if not self._admitted:
            self._admitted, self._cached = time.monotonic(), min(cached, len(self.request.prompt))
            self._queued = max(0.0, self._admitted - restored - self.request.arrival)
        self._restored += restored

    def park(self) -> None:
        """Note that the slot is gone. What was computed is in blocks, as far as there was room."""
        self.computed = 0
        if self._unscored:
            self._scores.clear()

    def score(self, logits: torch.Tensor) -> None:
        """Take the logits [rows, vocab] that were wanted: those before an id that is to be scored tell its score."""
        if not self._unscored:
            return
        at = self.loadable + 1
        ids = self.tokens[at : min(at + len(logits), len(self.request.prompt))]
        rows = logits[: len(ids)].log_softmax(dim=-1)
        self._scores += rows[range(len(ids)), ids].tolist()

    @property
    def _unscored(self) -> int:
        return self.request.scored - len(self._scores)

    def take(self, token_id: int) -> Output:
        """Append a sampled token, and those that the grammar leaves no choice about. The output to deliver.

        Its text is empty while all of it is held back.
        """
        sampling, guide = self.request.sampling, self.chooser.guide
        self._first = self._first or time.monotonic()
        if token_id in sampling.stop_ids and not sampling.ignore_stop_ids:
            return self._undelivered(FinishReason.STOP)
        self.tokens.append(token_id)
        self._follow(sampling.max_tokens)
        if guide is not None and guide.failed:
            return self.end(FinishReason.ERROR, error=f"the grammar can't be followed: {guide.failed}")
        if guide is not None and guide.complete:
            return self._undelivered(FinishReason.STOP)
        return self._undelivered(FinishReason.LENGTH if self.sampled >= sampling.max_tokens else None)

    def _follow(self, most: int) -> None:
        """Append what can only follow now, as long as at most ``most`` tokens are generated."""
        guide = self.chooser.guide
        if guide is None or guide.complete:
            return
        for token_id in guide.forced()[: max(0, most - self.sampled)]:
            self.tokens.append(token_id)
            self.chooser.chose(token_id)

    def _undelivered(self, finish: FinishReason | None) -> Output:
        """The output with all that was generated since the last one."""
        new = tuple(self.tokens[len(self.request.prompt) + self._delivered :])
        text = ""
        for place, token_id in enumerate(new, 1):
            piece, stopped = self._stops.feed(self._detokenizer.feed(token_id))
            text += piece
            if stopped:
                return self.end(FinishReason.STOP, new[:place], text)
        self._delivered += len(new)
        if finish is None:
            return self._output(new, text)
        return self.end(finish, new, text + self._stops.flush())

    def end(self, finish: FinishReason, token_ids: tuple[int, ...] = (), text: str = "", error: str = "") -> Output:
        """The last output. Text still held back for a stop string comes out, unless one was found."""
        self.finish = finish
        if finish is not FinishReason.STOP:
            text += self._stops.flush()
        return self._output(token_ids, text, finish, error)

    def _output(
        self, token_ids: tuple[int, ...], text: str, finish: FinishReason | None = None, error: str = ""
    ) -> Output:
        now, arrival = time.monotonic(), self.request.arrival
        admitted, first = self._admitted or now, self._first or now
        timings = Timings(
            queue=self._queued if self._admitted else now - arrival,
            restore=self._restored,
            prefill=first - admitted,
            first_token=first - arrival,
            total=now - arrival,
        )
        usage = Usage(len(self.request.prompt), self._cached, self.sampled)
        scores = tuple(self._scores) if finish is not None else ()
        return Output(self.request.id, usage, timings, token_ids, text, finish, error, scores)
