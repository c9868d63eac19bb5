"""Which tokens' attention state is where: a tree of blocks, shared by every conversation that begins alike.

A block is identified by its own tokens and its parent, so two conversations share a block exactly when all tokens up
to its end are the same. A block of fewer than ``BLOCK_TOKENS`` tokens is the unfinished tail of a conversation; it
has no children. Any leading part of a block is valid state too, so matches are exact to the token.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from npc_engine.inference.kv.pool import BLOCK_TOKENS, BlockPool
from npc_engine.inference.kv.slots import Slots

Tokens = tuple[int, ...]


class Block:
    """A node of the tree. ``children`` are keyed by their tokens."""

    __slots__ = ("children", "handle", "parent", "tokens")

    def __init__(self, parent: "Block | None", tokens: Tokens, handle: int) -> None:
        self.parent, self.tokens, self.handle = parent, tokens, handle
        self.children: dict[Tokens, Block] = {}


class Match(NamedTuple):
    """Blocks that hold the beginning of a token sequence, and how many tokens of each apply."""

    parts: tuple[tuple[Block, int], ...]

    @property
    def length(self) -> int:
        """Tokens covered."""
        return sum(count for _, count in self.parts)


class BlockTree:
    """All blocks in RAM. Evicts leaves first, the least recently used before the others."""

    def __init__(self, pool: BlockPool) -> None:
        self._pool = pool
        self._root = Block(None, (), -1)
        # Touching a chain moves its leaf first and its root last to the young end, so the oldest block is a leaf.
        self._by_age: OrderedDict[Block, None] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of RAM that stored blocks take."""
        return self._pool.used * self._pool.block_bytes

    def match(self, tokens: Sequence[int], limit: int) -> Match:
        """The longest stored beginning of ``tokens``, at most ``limit`` tokens of it."""
        parts: list[tuple[Block, int]] = []
        node, at = self._root, 0
        while at < limit:
            chunk = tuple(tokens[at : min(at + BLOCK_TOKENS, limit)])
            child = node.children.get(chunk)
            count = len(chunk)
            if child is None:
                child, count = _closest(node, chunk)
                if child is None:
                    break
            parts.append((child, count))
            if count < BLOCK_TOKENS:
                break
            node, at = child, at + count
        return Match(tuple(parts))

    def load(self, match: Match, slots: Slots, slot: int) -> None:
        """Copy matched state into a slot, from its token 0 on."""
        start = 0
        for block, count in match.parts:
            self._pool.load(block.handle, slots, slot, start, count)
            start += count
        if match.parts:
            self._touch(match.parts[-1][0])

    def save(self, tokens: Sequence[int], slots: Slots, slot: int, *, tail: bool) -> None:
        """Store what a slot has computed for ``tokens``; the unfinished last block only if ``tail``.

        Blocks that are stored already are not copied again. Where the budget leaves no room, the rest stays unstored.
        """
        node = self._root
        for start in range(0, len(tokens), BLOCK_TOKENS):
            chunk = tuple(tokens[start : start + BLOCK_TOKENS])
            if len(chunk) < BLOCK_TOKENS and not tail:
                break
            child = node.children.get(chunk) or self._insert(node, chunk, slots, slot, start)
            if child is None:
                break
            node = child
        if node is not self._root:
            self._touch(node)

    def clear(self) -> None:
        """Drop every block."""
        for block in self._by_age:
            self._pool.free(block.handle)
        self._by_age.clear()
        self._root.children.clear()

    def check_integrity(self) -> None:
        """Assert what must hold between steps: links both ways, handles used once, order of ages."""
        reached = list(_walk(self._root))
        handles = [block.handle for block in reached]
        assert len(handles) == len(set(handles)) == self._pool.used
        assert set(reached) == set(self._by_age)
        ages = {block: age for age, block in enumerate(self._by_age)}
        for block in reached:
            assert block.parent is not None
            assert block.parent.children[block.tokens] is block
            assert block.parent is self._root or ages[block.parent] > ages[block]
            assert len(block.tokens) == BLOCK_TOKENS or not block.children

    def _insert(self, node: Block, chunk: Tokens, slots: Slots, slot: int, start: int) -> Block | None:
        grown = next((c for c in node.children.values() if not c.children and _begins(chunk, c.tokens)), None)
        if grown is not None:
            del node.children[grown.tokens]
            self._pool.save(grown.handle, slots, slot, start, len(grown.tokens), len(chunk))
            grown.tokens = chunk
            node.children[chunk] = grown
            return grown
        if node is not self._root:
            self._touch(node)
        if not self._pool.can_allocate() and not self._evict(keep=node):
            return None
        block = Block(node, chunk, self._pool.allocate())
        self._pool.save(block.handle, slots, slot, start, 0, len(chunk))
        node.children[chunk] = block
        self._by_age[block] = None
        self._touch(block)
        return block

    def _evict(self, keep: Block) -> bool:
        oldest = next(iter(self._by_age), None)
        if oldest is None or oldest is keep:
            return False
        assert not oldest.children
        assert oldest.parent is not None
        del oldest.parent.children[oldest.tokens]
        del self._by_age[oldest]
        self._pool.free(oldest.handle)
        return True

    def _touch(self, block: Block) -> None:
        node: Block | None = block
        while node is not None and node is not self._root:
            self._by_age.move_to_end(node)
            node = node.parent


def _walk(node: Block) -> Iterator[Block]:
    """All blocks below ``node``. Not by recursion: a long conversation is a deep chain."""
    ahead = list(node.children.values())
    while ahead:
        block = ahead.pop()
        yield block
        ahead.extend(block.children.values())


def common_length(a: Tokens, b: Tokens) -> int:
    """How many leading tokens ``a`` and ``b`` share."""
    same, different = 0, min(len(a), len(b)) + 1
    # Halving, because comparing slices runs at the speed of C: prompts are long and every step compares many.
    while different - same > 1:
        middle = (same + different) // 2
        same, different = (middle, different) if a[same:middle] == b[same:middle] else (same, middle)
    return same


def _closest(node: Block, chunk: Tokens) -> tuple[Block | None, int]:
    """The child that shares the most leading tokens with ``chunk``, and how many."""
    best, most = None, 0
    for tokens, child in node.children.items():
        if tokens[0] == chunk[0]:
            shared = common_length(tokens, chunk)
            if shared > most:
                best, most = child, shared
    return best, most


def _begins(tokens: Tokens, beginning: Tokens) -> bool:
    return len(beginning) < len(tokens) and tokens[: len(beginning)] == beginning
