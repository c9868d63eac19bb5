"""Warm attention state: a slab of RAM cut into blocks, under a budget in bytes."""

import torch

from npc_engine.inference.kv.slots import Slots

BLOCK_TOKENS = 64
"""Tokens in a full block. SmolLM2's block is 1.5 MB in bfloat16: large enough that copies run at memory speed."""

_SEGMENT_BYTES = 48 << 20


class BlockPool:
    """Block memory. A handle names one block, ``[2, layers, kv_heads, BLOCK_TOKENS, head_dim]`` (K, then V).

    The slab is reserved in segments as it fills and kept until the pool goes.
    """

    def __init__(
        self, *, layers: int, kv_heads: int, head_dim: int, dtype: torch.dtype, budget: int, pin: bool = False
    ) -> None:
        self._shape = (2, layers, kv_heads, BLOCK_TOKENS, head_dim)
        self._dtype, self._pin = dtype, pin
        self.block_bytes = 2 * layers * kv_heads * BLOCK_TOKENS * head_dim * dtype.itemsize
        self.limit = budget // self.block_bytes
        self._segment_blocks = max(1, _SEGMENT_BYTES // self.block_bytes)
        self._segments: list[torch.Tensor] = []
        self._free: list[int] = []
        self.used = 0

    def can_allocate(self) -> bool:
        """Whether ``allocate`` will find room within the budget."""
        return self.used < self.limit

    def allocate(self) -> int:
        """A handle to a block of undefined content."""
        assert self.can_allocate()
        if not self._free:
            first = len(self._segments) * self._segment_blocks
            count = min(self._segment_blocks, self.limit - first)
            self._segments.append(torch.empty(count, *self._shape, dtype=self._dtype, pin_memory=self._pin))
            self._free.extend(range(first + count - 1, first - 1, -1))
        self.used += 1
        return self._free.pop()

    def free(self, handle: int) -> None:
        """Give a block back."""
        assert self.used > 0
        self.used -= 1
        self._free.append(handle)

    def save(self, handle: int, slots: Slots, slot: int, start: int, first: int, count: int) -> None:
        """Copy tokens ``start + first .. start + count`` of a slot into the block's places ``first .. count``."""
        block = self._block(handle)
        for part, store in enumerate((slots.keys, slots.values)):
            block[part, :, :, first:count].copy_(store[:, slot, :, start + first : start + count])

    def load(self, handle: int, slots: Slots, slot: int, start: int, count: int) -> None:
        """Copy the block's first ``count`` tokens to ``start`` in a slot."""
        block = self._block(handle)
        for part, store in enumerate((slots.keys, slots.values)):
            store[:, slot, :, start : start + count].copy_(block[part, :, :, :count])

    def _block(self, handle: int) -> torch.Tensor:
        return self._segments[handle // self._segment_blocks][handle % self._segment_blocks]
