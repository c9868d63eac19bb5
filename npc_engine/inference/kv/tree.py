"""Which token sequences have blocks: the index over all tiers. Knows tokens and identities, moves nothing."""

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

    def add(self, parent: Block, tokens: Tokens) -> Block:
        """A new block behind ``parent``, which must be full or the root."""
        assert parent is self.root or parent.full
        assert tokens not in parent.children
        block = Block(parent, tokens, child_identity(parent.identity, tokens))
        parent.children[tokens] = block
        self.by_identity[block.identity] = block
        return block

    def remove(self, block: Block) -> None:
        """Take a block without children out."""
        assert not block.children
        assert block.parent is not None
        del block.parent.children[block.tokens]
        del self.by_identity[block.identity]

    def grow(self, tail: Block, tokens: Tokens) -> None:
        """Let an unfinished tail hold ``tokens``, which begin with its own."""
        assert tail.parent is not None
        assert not tail.children
        assert begins(tokens, tail.tokens)
        del tail.parent.children[tail.tokens]
        del self.by_identity[tail.identity]
        tail.tokens, tail.identity = tokens, child_identity(tail.parent.identity, tokens)
        tail.parent.children[tokens] = tail
        self.by_identity[tail.identity] = tail

    def clear(self) -> None:
        """Know nothing any more."""
        self.root.children.clear()
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


def begins(tokens: Tokens, beginning: Tokens) -> bool:
    """Whether ``tokens`` begin with ``beginning`` and go on."""
    return len(beginning) < len(tokens) and tokens[: len(beginning)] == beginning


def _closest(node: Block, chunk: Tokens) -> tuple[Block | None, int]:
    """The child that shares the most leading tokens with ``chunk``, and how many."""
    best, most = None, 0
    for tokens, child in node.children.items():
        if tokens[0] == chunk[0]:
            shared = common_length(tokens, chunk)
            if shared > most:
                best, most = child, shared
    return best, most
