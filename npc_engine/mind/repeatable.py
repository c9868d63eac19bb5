"""Answers that come again: the seed of each follows from the server's."""

import hashlib


def answer_seed(seed: int | None, npc: str, number: int) -> int | None:
    """The seed of ``npc``'s answer number ``number``, of 63 bits: what others say doesn't change it. None for None."""
    if seed is None:
        return None
    digest = hashlib.blake2b(f"{seed}\0{number}\0{npc}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
