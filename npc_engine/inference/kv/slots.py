"""Hot attention state: one contiguous stretch of K and V per running request.

The running batch sits in slots ``0 .. used``, so that attention works on views and nothing is gathered. A slot that
becomes free is filled with the last one.
"""

from collections.abc import Sequence
from typing import Protocol

import torch

from npc_engine.inference.kv.memory import anonymous_memory

MIN_SLOTS, MIN_CAPACITY = 4, 512
_STEP = 64
"""Capacity comes in multiples of this where doubling would cost too much."""


class Traffic(Protocol):
    """Copies between slots and RAM that may still be under way on the device."""

    def await_layer(self, index: int) -> None:
        """What is computed from now on finds all that is being loaded into the layers up to ``index``."""
        ...

    def fence(self) -> None:
        """What is computed from now on comes behind all copies from and to slots."""
        ...


class NoTraffic:
    """Copies are done when they have been asked for."""

    def await_layer(self, index: int) -> None:
        """See Traffic."""

    def fence(self) -> None:
        """See Traffic."""


class Slots:
    """K and V, each ``[layers, slots, kv_heads, capacity, head_dim]``, grown in powers of two up to the limits.

    ``budget`` is the most bytes that both may reserve. One sequence of ``max_capacity`` tokens must fit.

    ``keys`` and ``values`` are replaced when the store grows, and ``generation`` is another number then: take views
    anew for every step. A forward pass takes them from ``layer``, which orders it behind ``traffic``.
    """

    def __init__(
        self,
        *,
        layers: int,
        kv_heads: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device,
        max_slots: int,
        max_capacity: int,
        budget: int,
        traffic: Traffic | None = None,
    ) -> None:
        self.max_slots = max_slots
        self.budget = budget
        self.max_capacity = max_capacity
        self.used = 0
        self.generation = 0
        self._traffic = traffic or NoTraffic()
        self._shape = (layers, kv_heads, head_dim)
        self._dtype, self._device = dtype, device
        self.keys = self.values = torch.empty(0)
        self._allocate_least()

    @property
    def least_budget(self) -> int:
        """Bytes without which the longest context has no room."""
        return self._bytes(1, self.max_capacity)

    @property
    def slots(self) -> int:
        """Slots that have memory now."""
        return self.keys.shape[1]

    @property
    def capacity(self) -> int:
        """Tokens that fit into each slot now."""
        return self.keys.shape[3]

    @property
    def nbytes(self) -> int:
        """Bytes reserved on the device, touched or not."""
        return self.keys.nbytes + self.values.nbytes

    def layer(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """K and V of a layer, [slots, kv_heads, capacity, head_dim], to compute with. Ask for layers in order."""
        self._traffic.await_layer(index)
        return self.keys[index], self.values[index]

    def await_all(self) -> None:
        """See that no layer has anything to wait for."""
        self._traffic.await_layer(self.keys.shape[0] - 1)

    def can_take(self, capacity: int) -> bool:
        """Whether there is a free slot, and room within the budget if all have ``capacity``."""
        return self.used < self.max_slots and self.fits(self.used + 1, capacity)

    def fits(self, slots: int, capacity: int) -> bool:
        """Whether the budget allows so many slots of ``capacity`` tokens."""
        return self._bytes(slots, min(-(-capacity // _STEP) * _STEP, self.max_capacity)) <= self.budget

    def take(self) -> int:
        """A free slot: always ``used``, so that the slots in use stay neighbours. ``reserve`` before writing to it."""
        assert self.used < self.max_slots
        self.used += 1
        return self.used - 1

    def reserve(self, capacity: int, lengths: Sequence[int]) -> None:
        """Give every slot in use room for ``capacity`` tokens. ``lengths``: tokens stored in each, which are kept."""
        assert len(lengths) == self.used <= self.max_slots
        assert capacity <= self.max_capacity
        if self.used <= self.slots and capacity <= self.capacity:
            return
        slots = _doubled(self.slots, self.used, self.max_slots)
        tokens = _doubled(self.capacity, capacity, self.max_capacity)
        if self._bytes(slots, tokens) > self.budget:
            slots, tokens = self._least(capacity)
        self._reallocate(slots, tokens, lengths)

    def shrink(self, lengths: Sequence[int]) -> None:
        """Give back what is beyond the budget. ``lengths`` as for ``reserve``; they must fit."""
        if self.nbytes > self.budget:
            self._reallocate(*self._least(max(lengths, default=1)), lengths)

    def release(self, slot: int, last_length: int) -> None:
        """Free ``slot``; the last slot in use, of which ``last_length`` tokens matter, moves into its place."""
        assert 0 <= slot < self.used
        self.used -= 1
        # Even a slot that nothing moves into: whoever gets it next must not write into what is still being saved.
        self._traffic.fence()
        if slot != self.used:
            for store in (self.keys, self.values):
                store[:, slot, :, :last_length].copy_(store[:, self.used, :, :last_length])

    def clear(self) -> None:
        """Free all slots at once, and the memory that grew with them."""
        self.used = 0
        self._traffic.fence()
        self._allocate_least()

    def _allocate_least(self) -> None:
        slots, capacity = min(MIN_SLOTS, self.max_slots), min(MIN_CAPACITY, self.max_capacity)
        if self._bytes(slots, capacity) > self.budget:
            slots = 1
        if self.keys.shape[1:4:2] != (slots, capacity):
            self._replace(self._zeros(slots, capacity), self._zeros(slots, capacity))

    def _least(self, capacity: int) -> tuple[int, int]:
        """Slots and tokens for those in use and no more."""
        return max(self.used, 1), min(-(-capacity // _STEP) * _STEP, self.max_capacity)

    def _bytes(self, slots: int, capacity: int) -> int:
        layers, kv_heads, head_dim = self._shape
        return 2 * layers * slots * kv_heads * capacity * head_dim * self._dtype.itemsize

    def _reallocate(self, slots: int, tokens: int, lengths: Sequence[int]) -> None:
        self._traffic.fence()
        keys = self._moved(self.keys, slots, tokens, lengths)
        values = self._moved(self.values, slots, tokens, lengths)
        # Both or neither: memory may run out between the two.
        self._replace(keys, values)

    def _replace(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        self.keys, self.values = keys, values
        self.generation += 1

    def _zeros(self, slots: int, capacity: int) -> torch.Tensor:
        # Zeros, not whatever memory holds: a masked key has weight 0, and 0 times NaN is NaN.
        layers, kv_heads, head_dim = self._shape
        shape = (layers, slots, kv_heads, capacity, head_dim)
        if self._device.type != "cpu":
            return torch.zeros(shape, dtype=self._dtype, device=self._device)
        # A few long conversations must not cost every slot their length: what is not written takes no memory.
        return anonymous_memory(shape, self._dtype)

    def _moved(self, old: torch.Tensor, slots: int, capacity: int, lengths: Sequence[int]) -> torch.Tensor:
        new = self._zeros(slots, capacity)
        for slot, length in enumerate(lengths[: old.shape[1]]):
            new[:, slot, :, :length].copy_(old[:, slot, :, :length])
        return new


def _doubled(size: int, needed: int, most: int) -> int:
    while size < needed:
        size = min(2 * size, most)
    return size
