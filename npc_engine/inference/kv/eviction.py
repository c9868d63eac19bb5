"""In which order the blocks of one tier go when room is needed.

Leaves first, so that whatever is left is whole from its beginning on. Among them those that nobody holds, then those
that nobody expects to need soon, then the least recently used.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from npc_engine.inference.kv.block import Block


class EvictionOrder:
    """The blocks of one tier. ``is_here`` says whether a block is in that tier."""

    def __init__(self, is_here: Callable[[Block], bool]) -> None:
        self._is_here = is_here
        self._by_age: OrderedDict[Block, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_age)

    def __iter__(self) -> Iterator[Block]:
        return iter(self._by_age)

    def __contains__(self, block: Block) -> bool:
        return block in self._by_age

    def add(self, block: Block) -> None:
        """Put a block in, as the youngest but for its ancestors."""
        self._by_age[block] = None
        self.touch(block)

    def restore(self, blocks: Sequence[Block]) -> None:
        """Put in all ``blocks``, oldest first. Their ancestors are among them."""
        young_first: dict[Block, None] = {}
        for block in reversed(blocks):
            path = []
            for node in block.lineage():
                if node in young_first:
                    break
                path.append(node)
            young_first.update(dict.fromkeys(reversed(path)))
        self._by_age.update(dict.fromkeys(reversed(young_first)))

    def remove(self, block: Block) -> None:
        """Take a block out."""
        del self._by_age[block]

    def touch(self, block: Block) -> None:
        """A block was used, and with it all before it."""
        # The leaf moves to the young end first and its root last, so the oldest block is a leaf.
        for node in block.lineage():
            if node in self._by_age:
                self._by_age.move_to_end(node)

    def clear(self) -> None:
        """Take all blocks out."""
        self._by_age.clear()

    def first(
        self, now: float, among: Callable[[Block], bool] = lambda _: True, *, look_at: int | None = None
    ) -> Block | None:
        """The block to go first ``among`` some of the ``look_at`` oldest; None when there is none that nobody holds."""
        expected: Block | None = None
        for block in islice(self._by_age, look_at):
            if block.pins or block.moving or block.copies or not among(block) or not self._is_leaf(block):
                continue
            if block.due <= now:
                return block
            if expected is None or block.due > expected.due:
                expected = block
        return expected

    def _is_leaf(self, block: Block) -> bool:
        # A child that moves is on its way into this tier or stays in it.
        return not any(child.moving or self._is_here(child) for child in block.children.values())
