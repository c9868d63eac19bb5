"""Anything that a grammar allows, at random."""

from collections.abc import Collection, Iterator
from random import Random
from typing import TYPE_CHECKING

from npc_engine.inference.tokenizer import Tokenizer

if TYPE_CHECKING:
    from npc_engine.inference.grammar import Grammar

_BRISK = 0.3
"""How often a token is taken that ends something, where there is one: or strings and lists grow to their limits."""

_ENDINGS = ('"', "]", "}")


def endings(tokenizer: Tokenizer) -> frozenset[int]:
    """The ids that end a string, a list or a map in JSON."""
    return frozenset(id for id in range(tokenizer.vocab_size) if tokenizer.decode([id]).startswith(_ENDINGS))


def walk(grammar: "Grammar", random: Random, *, brisk: Collection[int], stop_ids: Collection[int]) -> Iterator[int]:
    """Token ids that ``grammar`` allows, until it is complete. ``brisk`` ids are preferred; ``stop_ids`` end it."""
    guide = grammar.guide()
    while not guide.complete:
        forced = guide.forced()
        for token_id in forced or [_choose(guide.allowed(), random, brisk)]:
            if token_id in stop_ids:
                return
            guide.took(token_id)
            yield token_id


def _choose(allowed: list[int], random: Random, brisk: Collection[int]) -> int:
    ending = [id for id in allowed if id in brisk] if random.random() < _BRISK else []
    return random.choice(ending or allowed)
