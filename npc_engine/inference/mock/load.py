"""The mock, ready to speak."""

from dataclasses import dataclass
from pathlib import Path

from npc_engine.inference.mock import END_TOKEN
from npc_engine.inference.mock.generator import MockGenerator
from npc_engine.inference.request import Budgets
from npc_engine.inference.tokenizer import Tokenizer

FOLDER = Path(__file__).parent / "model"
"""A model folder without weights: a byte-level tokenizer of a thousand tokens, and a chat template."""


@dataclass(frozen=True, slots=True)
class LoadedMock:
    """The mock with what it was made of."""

    generator: MockGenerator
    tokenizer: Tokenizer
    end_ids: frozenset[int]


def load_mock(*, max_context: int, seed: int, pace: float, budgets: Budgets) -> LoadedMock:
    """``pace`` is seconds per token. Takes milliseconds, and imports nothing slow."""
    tokenizer = Tokenizer(FOLDER)
    generator = MockGenerator(tokenizer, max_context=max_context, seed=seed, pace=pace, budgets=budgets)
    return LoadedMock(generator, tokenizer, frozenset(tokenizer.encode_markup(END_TOKEN)))
