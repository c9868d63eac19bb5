"""Copies of attention state between a slot and RAM.

On the processor a copy is done when the call returns. With an accelerator copies run on streams of their own, beside
what is computed. What keeps them apart:

    load   waits for all computing and saving before it: the slot was somebody else's, a block may be on its way to RAM
    save   waits for all computing and loading before it: that is what it saves
    layer  of a forward pass waits for what is loaded into it, and no more: ``await_layer``
    slots  change hands or memory only behind all copies: ``fence``

These wait on the device. The processor looks at a copied state only once the ``Flight`` has landed.
"""

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import torch

from npc_engine.inference.accelerator import Accelerator, Event
from npc_engine.inference.kv.block import Match
from npc_engine.inference.kv.slots import Slots

_COPY_BYTES = 256 << 10
"""Queueing a copy takes some microseconds: neighbouring layers travel together until a copy takes longer than that."""

_STAGES = 16
"""Staging buffers, each for the keys or the values of one block."""


class Flight(Protocol):
    """One copy under way."""

    @property
    def landed(self) -> bool:
        """Whether it is done and the processor may touch the memory in RAM: read, write, or use it for another."""
        ...


class Copies(Protocol):
    """A state is a block's memory in RAM, [2, layers, kv_heads, BLOCK_TOKENS, head_dim]."""

    def load(self, match: Match, slots: Slots, slot: int) -> Flight:
        """Copy matched blocks, all in RAM, into a slot, from its token 0 on."""
        ...

    def save(self, state: torch.Tensor, slots: Slots, slot: int, start: int, first: int, count: int) -> Flight:
        """Copy tokens ``start + first .. start + count`` of a slot into a state's places ``first .. count``.

        Places before ``first`` hold the same tokens of the slot already; those from ``count`` on may change.
        """
        ...

    def synchronise(self) -> None:
        """Block until every copy is done."""
        ...


class _Landed:
    landed = True


class PlainCopies:
    """Copies by the processor. See ``Copies``."""

    def load(self, match: Match, slots: Slots, slot: int) -> Flight:
        """See Copies."""
        start = 0
        for block, count in match.parts:
            assert block.state is not None
            for part, store in enumerate((slots.keys, slots.values)):
                store[:, slot, :, start : start + count].copy_(block.state[part, :, :, :count])
            start += count
        return _LANDED

    def save(self, state: torch.Tensor, slots: Slots, slot: int, start: int, first: int, count: int) -> Flight:
        """See Copies."""
        for part, store in enumerate((slots.keys, slots.values)):
            state[part, :, :, first:count].copy_(store[:, slot, :, start + first : start + count])
        return _LANDED

    def synchronise(self) -> None:
        """See Copies."""


class StreamCopies:
    """Copies on an accelerator's streams. See ``Copies``, and ``Traffic`` for what slots ask of it."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._staging = _Staging(accelerator)
        self._waiting: list[_Load] = []
        self._arrivals: list[_Arrival] = []

    def load(self, match: Match, slots: Slots, slot: int) -> Flight:
        """See Copies. It begins with the next forward pass, so that all loads of a step go layer by layer."""
        if not match.parts:
            return _LANDED
        flight = _Flight(None, self._staging)
        parts = [(block.state, count) for block, count in match.parts if block.state is not None]
        assert len(parts) == len(match.parts)
        self._waiting.append(_Load(parts, slots, slot, flight))
        return flight

    def save(self, state: torch.Tensor, slots: Slots, slot: int, start: int, first: int, count: int) -> Flight:
        """See Copies. A pinned state is copied whole: only from one piece to one piece can a copy be queued."""
        try:
            self._begin_loads()
            a = self._accelerator
            a.save.wait_event(a.compute.record_event())
            a.save.wait_event(a.load.record_event())
            pinned = a.is_pinned(state)
            for part, store in enumerate((slots.keys, slots.values)):
                source = store[:, slot, :, start : start + count]
                target = state[part] if pinned else self._staging.take(state[part])
                a.run(a.save, partial(_take_out, source, target))
                if not pinned:
                    landing = _Landing(target[:, :, first:count], state[part, :, :, first:count])
                    self._staging.lend(target, a.save.record_event(), landing)
            return _Flight(a.save.record_event(), self._staging)
        except BaseException:
            # The state is about to be used for something else.
            self.synchronise()
            raise

    def synchronise(self) -> None:
        """See Copies."""
        self._begin_loads()
        for stream in (self._accelerator.load, self._accelerator.save):
            stream.record_event().synchronize()
        self._staging.land()

    def await_layer(self, index: int) -> None:
        """See Traffic."""
        self._begin_loads()
        for arrival in self._arrivals:
            if arrival.first <= index:
                self._accelerator.compute.wait_event(arrival.event)
        self._arrivals = [arrival for arrival in self._arrivals if arrival.first > index]

    def fence(self) -> None:
        """See Traffic."""
        self._begin_loads()
        for stream in (self._accelerator.load, self._accelerator.save):
            self._accelerator.compute.wait_event(stream.record_event())
        self._arrivals.clear()

    def _begin_loads(self) -> None:
        loads, self._waiting = self._waiting, []
        if not loads:
            return
        a = self._accelerator
        try:
            a.load.wait_event(a.compute.record_event())
            a.load.wait_event(a.save.record_event())
            for first, last in self._stretches(loads[0].parts[0][0]):
                for load in loads:
                    self._load_layers(load, slice(first, last))
                self._arrivals.append(_Arrival(first, a.load.record_event()))
        finally:
            done = a.load.record_event()
            for load in loads:
                load.flight.event = done

    def _stretches(self, state: torch.Tensor) -> list[tuple[int, int]]:
        """Which layers of blocks travel together."""
        layers = state.shape[1]
        step = max(1, _COPY_BYTES // state[0, 0].nbytes)
        return [(first, min(first + step, layers)) for first in range(0, layers, step)]

    def _load_layers(self, load: "_Load", layers: slice) -> None:
        a, start = self._accelerator, 0
        for state, count in load.parts:
            pinned = a.is_pinned(state)
            if not pinned:
                # What is still on its way to this state is only in a buffer.
                self._staging.settle()
            for part, store in enumerate((load.slots.keys, load.slots.values)):
                source = state[part, layers]
                target = store[layers, load.slot, :, start : start + count]
                if pinned:
                    a.run(a.load, partial(_bring_in, source, target))
                    continue
                buffer = self._staging.take(state[part])
                buffer[: len(source)].copy_(source)
                a.run(a.load, partial(_bring_in, buffer[: len(source)], target))
                self._staging.lend(buffer, a.load.record_event(), None)
            start += count


_LANDED = _Landed()


@dataclass(slots=True)
class _Flight:
    """``event`` is None until the copy is queued."""

    event: Event | None
    staging: "_Staging"

    @property
    def landed(self) -> bool:
        if self.event is None or not self.event.query():
            return False
        self.staging.land()
        return True


class _Load(NamedTuple):
    """States and how many tokens of each, into a slot."""

    parts: list[tuple[torch.Tensor, int]]
    slots: Slots
    slot: int
    flight: _Flight


class _Arrival(NamedTuple):
    """Layers from ``first`` on have arrived at ``event``."""

    first: int
    event: Event


class _Landing(NamedTuple):
    """What is copied when a staging buffer was filled."""

    source: torch.Tensor
    target: torch.Tensor


class _Lent(NamedTuple):
    """A staging buffer that is in use until ``event``."""

    buffer: torch.Tensor
    event: Event
    landing: _Landing | None


class _Staging:
    """A few pinned buffers between the device and memory that is not pinned, made when first needed.

    Where there is not even memory for them, pageable buffers serve: copies are then waited for, and right all the same.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._free: list[torch.Tensor] = []
        self._lent: deque[_Lent] = deque()

    def take(self, like: torch.Tensor) -> torch.Tensor:
        """A buffer [layers, kv_heads, BLOCK_TOKENS, head_dim]; if all are in use, once the oldest is done with."""
        if not self._free and len(self._lent) < _STAGES:
            return self._new(like)
        while not self._free:
            self._lent[0].event.synchronize()
            self.land()
        return self._free.pop()

    def lend(self, buffer: torch.Tensor, event: Event, landing: _Landing | None) -> None:
        """``buffer`` is in use until ``event``; then comes ``landing``."""
        self._lent.append(_Lent(buffer, event, landing))

    @torch.inference_mode()
    def land(self) -> None:
        """Take back all buffers that are done with, and copy what arrived in them."""
        still: deque[_Lent] = deque()
        for lent in self._lent:
            if not lent.event.query():
                still.append(lent)
                continue
            if lent.landing is not None:
                lent.landing.target.copy_(lent.landing.source)
            self._free.append(lent.buffer)
        self._lent = still

    def settle(self) -> None:
        """Block until everything that is on its way to memory is there."""
        for lent in self._lent:
            if lent.landing is not None:
                lent.event.synchronize()
        self.land()

    def _new(self, like: torch.Tensor) -> torch.Tensor:
        try:
            return self._accelerator.pinned(tuple(like.shape), like.dtype)
        except RuntimeError:
            return torch.empty_like(like)


@torch.inference_mode()
def _bring_in(source: torch.Tensor, target: torch.Tensor) -> None:
    """``source`` [layers, kv_heads, BLOCK_TOKENS, head_dim] in RAM to ``target``, a slot's view of its first tokens.

    Through memory of the device: only copies from one piece to one piece cross over without the processor.
    """
    arrived = torch.empty_like(source, device=target.device)
    arrived.copy_(source, non_blocking=True)
    target.copy_(arrived[:, :, : target.shape[2]])


@torch.inference_mode()
def _take_out(source: torch.Tensor, target: torch.Tensor) -> None:
    """The opposite of ``_bring_in``: a slot's view to the first tokens of ``target`` in RAM."""
    leaving = torch.empty_like(target, device=source.device)
    leaving[:, :, : source.shape[2]].copy_(source)
    target.copy_(leaving, non_blocking=True)
