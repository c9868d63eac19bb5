"""Hot attention state: one contiguous stretch of K and V per running request.

The running batch sits in slots ``0 .. used``, so that attention works on views and nothing is gathered. A slot that
becomes free is filled with the last one.
"""

import math
import mmap
from collections.abc import Sequence

import torch

MIN_SLOTS, MIN_CAPACITY = 4, 512

# A shared map, the default where there is a choice, would take memory for pages that are only read.
_PRIVATE: dict[str, int] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


class Slots:
    """K and V, each ``[layers, slots, kv_heads, capacity, head_dim]``, grown in powers of two up to the limits.

    ``keys`` and ``values`` are replaced when the store grows: take views anew for every step.
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
    ) -> None:
        self.max_slots = max_slots
        self.max_capacity = max_capacity
        self.used = 0
        self._shape = (layers, kv_heads, head_dim)
        self._dtype, self._device = dtype, device
        slots, capacity = min(MIN_SLOTS, max_slots), min(MIN_CAPACITY, max_capacity)
        self.keys = self._zeros(slots, capacity)
        self.values = self._zeros(slots, capacity)

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

    def can_take(self) -> bool:
        """Whether ``take`` will find a free slot."""
        return self.used < self.max_slots

    def take(self) -> int:
        """A free slot: always ``used``, so that the slots in use stay neighbours. ``reserve`` before writing to it."""
        assert self.can_take()
        self.used += 1
        return self.used - 1

    def reserve(self, capacity: int, lengths: Sequence[int]) -> None:
        """Give every slot in use room for ``capacity`` tokens. ``lengths``: tokens stored in each, which are kept."""
        assert len(lengths) == self.used <= self.max_slots
        assert capacity <= self.max_capacity
        if self.used <= self.slots and capacity <= self.capacity:
            return
        slots, tokens = self.slots, self.capacity
        while slots < self.used:
            slots = min(2 * slots, self.max_slots)
        while tokens < capacity:
            tokens = min(2 * tokens, self.max_capacity)
        keys = self._moved(self.keys, slots, tokens, lengths)
        values = self._moved(self.values, slots, tokens, lengths)
        # Both or neither: memory may run out between the two.
        self.keys, self.values = keys, values

    def release(self, slot: int, last_length: int) -> None:
        """Free ``slot``; the last slot in use, of which ``last_length`` tokens matter, moves into its place."""
        assert 0 <= slot < self.used
        self.used -= 1
        if slot != self.used:
            for store in (self.keys, self.values):
                store[:, slot, :, :last_length].copy_(store[:, self.used, :, :last_length])

    def clear(self) -> None:
        """Free all slots at once, and the memory that grew with them."""
        self.used = 0
        slots, capacity = min(MIN_SLOTS, self.max_slots), min(MIN_CAPACITY, self.max_capacity)
        if (self.slots, self.capacity) != (slots, capacity):
            self.keys, self.values = self._zeros(slots, capacity), self._zeros(slots, capacity)

    def _zeros(self, slots: int, capacity: int) -> torch.Tensor:
        # Zeros, not whatever memory holds: a masked key has weight 0, and 0 times NaN is NaN.
        layers, kv_heads, head_dim = self._shape
        shape = (layers, slots, kv_heads, capacity, head_dim)
        if self._device.type != "cpu":
            return torch.zeros(shape, dtype=self._dtype, device=self._device)
        # An anonymous map is zeroed by the system, and costs nothing until it is written: a few long conversations
        # must not cost every slot their length.
        raw = mmap.mmap(-1, math.prod(shape) * self._dtype.itemsize, **_PRIVATE)
        return torch.frombuffer(raw, dtype=self._dtype).view(shape)

    def _moved(self, old: torch.Tensor, slots: int, capacity: int, lengths: Sequence[int]) -> torch.Tensor:
        new = self._zeros(slots, capacity)
        for slot, length in enumerate(lengths[: old.shape[1]]):
            new[:, slot, :, :length].copy_(old[:, slot, :, :length])
        return new
