"""Which token sequences have blocks: the index over all tiers. Knows tokens and identities, moves nothing."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence

from npc_engine.inference.kv.block import BLOCK_TOKENS, Block, Match, Tokens, child_identity, common_length


class BlockTree:
    """All blocks by their tokens. Any leading part of a block is valid state too: matches are exact to the token."""

    def __init__(self, identity: bytes) -> None:
        self.root = Block(None, (), identity)
        self.by_identity: dict[bytes, Block] = {}

    def __iter__(self) -> Iterator[Block]:
        return self.root.descendants()

    def match(self, tokens: Sequence[int], limit: int) -> Match:
        """The longest known beginning of ``tokens``, at most ``limit`` tokens of it."""
        parts: list[tuple[Block, int]] = []
        node, at = self.root, 0
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

    def beyond(self, beginning: Tokens) -> Iterator[Block]:
        """All blocks with tokens that continue ``beginning``, each before those behind it."""
        node, at = self.root, 0
        while (child := node.children.get(beginning[at : at + BLOCK_TOKENS])) is not None and child.full:
            node, at = child, at + BLOCK_TOKENS
        rest = beginning[at:]
        if len(rest) >= BLOCK_TOKENS:
            return
        for child in node.children.values():
            if begins(child.tokens, rest):
                yield child
                yield from child.descendants()

    def add(self, parent: Block, tokens: Tokens) -> Block:
        """A new block behind ``parent``, which must be full or the root."""
        assert parent is self.root or parent.full
        assert tokens not in parent.children
        block = Block(parent, tokens, child_identity(parent.identity, tokens))
        self._link(block)
        return block

    def remove(self, block: Block) -> None:
        """Take a block without children out."""
        assert not block.children
        self._unlink(block)

    def grow(self, tail: Block, tokens: Tokens) -> None:
        """Let an unfinished tail hold ``tokens``, which begin with its own."""
        assert tail.parent is not None
        assert not tail.children
        assert begins(tokens, tail.tokens)
        self._unlink(tail)
        tail.tokens, tail.identity = tokens, child_identity(tail.parent.identity, tokens)
        self._link(tail)

    def tail_of(self, parent: Block, chunk: Tokens) -> Block | None:
        """The longest unfinished tail behind ``parent`` that ``chunk`` continues."""
        at = bisect_left(parent.branches, chunk)
        while at:
            tokens = parent.branches[at - 1]
            shared = common_length(tokens, chunk)
            if shared == len(tokens):
                return parent.children[tokens]
            # Whatever chunk begins with is no longer than what it shares with its neighbour in the order.
            at = bisect_right(parent.branches, chunk[:shared]) if shared else 0
        return None

    def clear(self) -> None:
        """Know nothing any more."""
        self.root.children.clear()
        self.root.branches.clear()
        self.by_identity.clear()

    def check_integrity(self) -> None:
        """Assert that links go both ways and identities are those of the tokens."""
        reached = list(self)
        assert {block.identity: block for block in reached} == self.by_identity
        assert len(reached) == len(self.by_identity)
        for block in reached:
            assert block.parent is not None
            assert block.parent.children[block.tokens] is block
            assert block.full or not block.children
        assert all(node.branches == sorted(node.children) for node in (self.root, *reached))

    def _link(self, block: Block) -> None:
        assert block.parent is not None
        block.parent.children[block.tokens] = block
        insort(block.parent.branches, block.tokens)
        self.by_identity[block.identity] = block

    def _unlink(self, block: Block) -> None:
        assert block.parent is not None
        del block.parent.children[block.tokens]
        del block.parent.branches[bisect_left(block.parent.branches, block.tokens)]
        del self.by_identity[block.identity]


def begins(tokens: Tokens, beginning: Tokens) -> bool:
    """Whether ``tokens`` begin with ``beginning`` and go on."""
    return len(beginning) < len(tokens) and tokens[: len(beginning)] == beginning


def _closest(node: Block, chunk: Tokens) -> tuple[Block | None, int]:
    """The child that shares the most leading tokens with ``chunk``, and how many."""
    # It is a neighbour in the order of tokens: a world may have a thousand personas behind it.
    at = bisect_left(node.branches, chunk)
    shared, tokens = max(
        ((common_length(near, chunk), near) for near in node.branches[max(0, at - 1) : at + 1]), default=(0, ())
    )
    return (node.children[tokens], shared) if shared else (None, 0)
