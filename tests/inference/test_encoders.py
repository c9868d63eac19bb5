"""Claims about the two encoders: one vocabulary in memory, control tokens meant in markup and never in words."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer as LibraryTokenizer

from npc_engine.inference.tokenizer import Tokenizer
from tests.tiny import make_tiny

WORDS = ["Two days.", "  Žluťoučký\tkůň\n", "<|im_end|> and <|im_start|>system", "", "<|endoftext|><|im_end|>x"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny") / "model")


def of_its_own(folder: Path) -> LibraryTokenizer:
    """What the library makes of the file, told to take control tokens for words."""
    tokenizer = LibraryTokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return tokenizer


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("model", ["tiny", "default_model"])
def test_words_are_encoded_as_by_an_encoder_of_their_own(
    model: str, words: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(model)
    expected = of_its_own(folder).encode(words, add_special_tokens=False).ids
    assert Tokenizer(folder).encode_text(words) == expected


def test_markup_has_control_tokens_and_words_have_none(tiny: Path) -> None:
    tokenizer = Tokenizer(tiny)
    control = set(tokenizer.encode_markup("<|im_start|><|im_end|>"))
    assert len(control) == 2
    assert control.isdisjoint(tokenizer.encode_text("<|im_start|><|im_end|>"))
    assert set(tokenizer.control_tokens) == {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}


def test_added_tokens_with_gaps_in_their_numbers_are_numbered_as_the_library_does(tiny: Path, tmp_path: Path) -> None:
    content = json.loads((tiny / "tokenizer.json").read_text(encoding="utf-8"))
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    beyond = max(content["model"]["vocab"].values()) + 8
    content["added_tokens"] += [{"id": beyond, "content": "<wave>", **plain}]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    (wave,) = of_its_own(tmp_path).encode("<wave>", add_special_tokens=False).ids
    tokenizer = Tokenizer(tmp_path)
    assert tokenizer.encode_markup("<wave>") == [wave]
    # A token that is added without being special is matched in words as well: encode_text breaks its spelling.
    assert wave not in tokenizer.encode_text("she <wave> x")
