"""Words for villagers to be made of: reproducible, and of a natural length in tokens."""

from collections.abc import Callable
from random import Random

# fmt: off
_WORDS = (
    "river", "mill", "forge", "market", "wolf", "lantern", "harvest", "bridge", "winter", "copper", "barley", "tower",
    "priest", "hunter", "shadow", "bread", "apple", "road", "castle", "stone", "valley", "miller", "stranger", "sheep",
    "candle", "storm",
)
# fmt: on


def prose(rng: Random, words: int) -> str:
    """So many words, in sentences."""
    said: list[str] = []
    while len(said) < words:
        picked = [rng.choice(_WORDS) for _ in range(rng.randint(6, 12))]
        said += ["The", picked[0], "near", "the", *picked[1:-1], "and", "the", f"{picked[-1]}."]
    return " ".join(said[:words])


def prose_of(rng: Random, tokens: int, count: Callable[[str], int]) -> str:
    """As many words as ``count`` finds ``tokens`` in, or the nearest below. A word is a token at least."""
    words = prose(rng, tokens).split()
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(" ".join(words[:middle])) <= tokens else (low, middle - 1)
    return " ".join(words[:low])
