"""Claims about text that comes in pieces."""

import pytest
from tokenizers import Tokenizer, decoders, models

from npc_engine.inference.tokenizer import Detokenizer

FIRST_BYTE = 3


@pytest.fixture(scope="module")
def by_bytes() -> Tokenizer:
    """Llama's way with characters that have no token: they are spelt byte by byte."""
    vocab = {"<unk>": 0, "▁hi": 1, "a": 2, **{f"<0x{i:02X}>": FIRST_BYTE + i for i in range(256)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def spelt(text: str) -> list[int]:
    return [FIRST_BYTE + byte for byte in text.encode()]


def test_a_character_spelt_in_bytes_comes_whole(by_bytes: Tokenizer) -> None:
    detokenizer = Detokenizer(by_bytes)
    assert [detokenizer.feed(i) for i in (1, *spelt("€"), 2)] == ["hi", "", "", "€", "a"]


def test_a_broken_character_costs_itself_and_nothing_else(by_bytes: Tokenizer) -> None:
    detokenizer = Detokenizer(by_bytes)
    broken = spelt("😀")[:1]
    assert "".join(map(detokenizer.feed, (1, *spelt("€"), *broken, 2, *spelt("€"), 2))) == "hi€a€a"
