"""Warm attention state: blocks in RAM, under a budget in bytes."""

import logging
import math
import mmap

import torch

from npc_engine.inference.kv.block import BLOCK_TOKENS, Block
from npc_engine.inference.kv.eviction import EvictionOrder
from npc_engine.inference.kv.memory import anonymous_memory

_log = logging.getLogger(__name__)

BlockShape = tuple[int, int, int, int, int]


def block_shape(*, layers: int, kv_heads: int, head_dim: int) -> BlockShape:
    """The shape of a block's state: K and V, layers, KV heads, tokens, channels."""
    return 2, layers, kv_heads, BLOCK_TOKENS, head_dim


class RamTier:
    """Room for blocks' states. Memory of blocks that went is used again; what a lower budget forbids is given back."""

    def __init__(self, shape: BlockShape, dtype: torch.dtype, budget: int, *, pin: bool = False) -> None:
        self._shape, self._dtype, self._pin = shape, dtype, pin
        self.block_bytes = math.prod(shape) * dtype.itemsize
        # Memory comes in pages, and pinned memory in powers of two: what a block really takes is what counts.
        pages = -(-self.block_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        self._block_cost = 1 << (pages - 1).bit_length() if pin else pages
        self.budget = budget
        self.order = EvictionOrder(lambda block: block.state is not None)
        self._free: list[torch.Tensor] = []
        self._taken = 0

    @property
    def used(self) -> int:
        """Bytes that blocks take."""
        return self._taken * self._block_cost

    @property
    def over_budget(self) -> bool:
        """Whether blocks must go."""
        return self.used > self.budget

    def can_take(self) -> bool:
        """Whether ``take`` finds room within the budget."""
        return self.used + self._block_cost <= self.budget

    def take(self) -> torch.Tensor:
        """Memory for one state, of undefined content."""
        assert self.can_take()
        state = self._free.pop() if self._free else self._memory()
        self._taken += 1
        return state

    def give_back(self, state: torch.Tensor) -> None:
        """Free what ``take`` gave."""
        assert self._taken > 0
        self._taken -= 1
        self._free.append(state)
        self.trim()

    def put(self, block: Block, state: torch.Tensor) -> None:
        """``block`` is here from now on, in memory that ``take`` gave."""
        assert block.state is None
        block.state = state
        self.order.add(block)

    def drop(self, block: Block) -> None:
        """``block`` is no longer here."""
        assert block.state is not None
        assert not block.moving
        assert not block.copies
        state, block.state = block.state, None
        self.order.remove(block)
        self.give_back(state)

    def clear(self) -> None:
        """No block is here any more, and no memory is in use."""
        self.order.clear()
        self._free.clear()
        self._taken = 0

    def trim(self) -> None:
        """Return free memory beyond the budget to the system."""
        room = max(0, self.budget - self.used) // self._block_cost
        del self._free[room:]

    def check_integrity(self) -> None:
        """Assert that every block here has a parent here, that ages agree with that, and what is taken adds up."""
        ages = {block: age for age, block in enumerate(self.order)}
        for block, age in ages.items():
            assert block.state is not None
            parent = block.parent
            assert parent is not None
            assert parent.parent is None or (parent.state is not None and ages[parent] > age)
        assert len({block.state.data_ptr() for block in ages if block.state is not None}) == len(ages)
        assert len(ages) <= self._taken

    def _memory(self) -> torch.Tensor:
        if self._pin:
            try:
                return torch.empty(self._shape, dtype=self._dtype, pin_memory=True)
            except RuntimeError as error:
                _log.warning("memory can't be pinned any more (%s); what the device copies takes longer", error)
                self._pin = False
        return anonymous_memory(self._shape, self._dtype)
