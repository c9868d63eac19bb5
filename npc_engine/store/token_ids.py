"""Token ids as compact bytes: a byte that says the width, then little-endian integers of 2 or 4 bytes."""

import struct
from collections.abc import Sequence

_FORMATS = {2: "H", 4: "I"}


def pack(token_ids: Sequence[int]) -> bytes:
    """Bytes of the ids. Raises ``ValueError`` for an id that is negative or past 32 bits."""
    if not token_ids:
        return b""
    if min(token_ids) < 0 or max(token_ids) >= 1 << 32:
        raise ValueError("token ids lie between 0 and 2**32 - 1")
    width = 2 if max(token_ids) < 1 << 16 else 4
    return struct.pack(f"<B{len(token_ids)}{_FORMATS[width]}", width, *token_ids)


def unpack(packed: bytes) -> tuple[int, ...]:
    """The ids that ``pack`` was given."""
    if not packed:
        return ()
    width = packed[0]
    ids: tuple[int, ...] = struct.unpack(f"<{(len(packed) - 1) // width}{_FORMATS[width]}", packed[1:])
    return ids
