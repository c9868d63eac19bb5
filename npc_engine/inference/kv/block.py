"""A block: the attention state of up to ``BLOCK_TOKENS`` tokens, and where it is."""

import struct
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import torch

Tokens = tuple[int, ...]

BLOCK_TOKENS = 64
"""Tokens in a full block. SmolLM2's block is 1.5 MB in bfloat16: large enough that copies run at memory speed."""

_IDENTITY_BYTES = 16


class Block:
    """A node of the tree of all blocks. ``children`` are keyed by their tokens, which ``branches`` has in order.

    ``identity`` names what the state was computed from: all tokens up to the block's end, and the model. Equal
    prefixes are therefore the same block, whoever computed it. One of fewer than BLOCK_TOKENS tokens is the unfinished
    tail of a conversation: it has no children.

    In RAM it is ``state``, [2, layers, kv_heads, BLOCK_TOKENS, head_dim] (K, then V; a tail fills its beginning). On
    disk it takes ``disk_bytes``. In each tier a block's parent is there too. ``moving`` while the disk's thread reads
    or writes it; ``copies`` between it and slots are under way: its state must then stay where it is. ``due`` is when
    it is expected to be used, on the ``time.monotonic`` clock; 0 when nobody said.
    """

    __slots__ = (
        "branches",
        "children",
        "copies",
        "disk_bytes",
        "due",
        "identity",
        "moving",
        "parent",
        "pins",
        "state",
        "tokens",
    )

    def __init__(self, parent: "Block | None", tokens: Tokens, identity: bytes) -> None:
        self.parent, self.tokens, self.identity = parent, tokens, identity
        self.children: dict[Tokens, Block] = {}
        self.branches: list[Tokens] = []
        self.state: torch.Tensor | None = None
        self.disk_bytes = 0
        self.moving = False
        self.copies = 0
        self.pins = 0
        self.due = 0.0

    @property
    def full(self) -> bool:
        """Whether it can have children."""
        return len(self.tokens) == BLOCK_TOKENS

    def lineage(self) -> Iterator["Block"]:
        """The block, its parent and so on; without the root."""
        node = self
        while node.parent is not None:
            yield node
            node = node.parent

    def descendants(self) -> Iterator["Block"]:
        """All blocks below this one, parents first. Not by recursion: a long conversation is a deep chain."""
        ahead = list(self.children.values())
        while ahead:
            block = ahead.pop()
            yield block
            ahead.extend(block.children.values())


class Match(NamedTuple):
    """Blocks that hold the beginning of a token sequence, and how many tokens of each apply."""

    parts: tuple[tuple[Block, int], ...]

    @property
    def length(self) -> int:
        """Tokens covered."""
        return sum(count for _, count in self.parts)

    @property
    def last(self) -> Block | None:
        """The deepest block."""
        return self.parts[-1][0] if self.parts else None

    def in_ram(self) -> "Match":
        """The leading part that can be used at once."""
        ready = next((i for i, (block, _) in enumerate(self.parts) if not usable(block)), len(self.parts))
        return Match(self.parts[:ready])


def usable(block: Block) -> bool:
    """Whether the state is in RAM and complete."""
    return block.state is not None


def root_identity(*what: str) -> bytes:
    """The identity under which blocks of one model, dtype and kind of arithmetic are found."""
    return blake2b("\0".join(what).encode(), digest_size=_IDENTITY_BYTES).digest()


def child_identity(parent: bytes, tokens: Tokens) -> bytes:
    """The identity of ``tokens`` behind a block."""
    return blake2b(parent + pack_tokens(tokens), digest_size=_IDENTITY_BYTES).digest()


def pack_tokens(tokens: Tokens) -> bytes:
    """Token ids as little-endian 32-bit numbers."""
    return struct.pack(f"<{len(tokens)}I", *tokens)


def unpack_tokens(data: bytes) -> Tokens:
    """The inverse of ``pack_tokens``. ValueError for data it can't have made."""
    if len(data) % 4:
        raise ValueError(f"{len(data)} bytes are no token ids")
    return struct.unpack(f"<{len(data) // 4}I", data)


def common_length(a: Tokens, b: Tokens) -> int:
    """How many leading tokens ``a`` and ``b`` share."""
    same, different = 0, min(len(a), len(b)) + 1
    # Halving, because comparing slices runs at the speed of C: prompts are long and every step compares many.
    while different - same > 1:
        middle = (same + different) // 2
        same, different = (middle, different) if a[same:middle] == b[same:middle] else (same, middle)
    return same
