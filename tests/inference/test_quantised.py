"""Claims about weights in whole numbers: what a product keeps, and what a basis and a grid are for."""

from pathlib import Path

import pytest
import torch

from npc_engine.cli.bench.perplexity import AIM, example_text
from npc_engine.inference.load import load_runner
from npc_engine.inference.model.eight_bit import EightBitLinear
from npc_engine.inference.model.four_bit import GROUP, FourBitLinear
from npc_engine.inference.model.quantised import FEW_ROWS
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.spec import read_spec
from npc_engine.inference.perplexity import WINDOW, perplexity
from npc_engine.inference.probe import probe
from npc_engine.inference.tokenizer import Tokenizer

needs_eight_bits = pytest.mark.skipif(not EightBitLinear.available(), reason="no eight-bit products here")


@needs_eight_bits
@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.parametrize("rotation", [None, Rotation(64)])
def test_an_eight_bit_linear_is_nearly_the_linear(rows: int, rotation: Rotation | None) -> None:
    weight, bias, x = torch.randn(96, 64), torch.randn(96), torch.randn(rows, 64)
    linear, exact = EightBitLinear(weight, bias, rotation=rotation), x @ weight.T + bias
    assert (linear(x) - exact).norm() < 0.02 * exact.norm()
    assert (linear.add_to(exact.clone(), x) - 2 * exact).norm() < 0.02 * exact.norm()


@needs_eight_bits
def test_the_layout_of_the_weights_does_not_matter() -> None:
    weight, x = torch.randn(96, 64), torch.randn(5, 64)
    assert torch.equal(EightBitLinear(weight.T.contiguous().T)(x), EightBitLinear(weight)(x))


def test_weights_on_a_grid_of_four_bits_keep_their_values() -> None:
    levels = torch.randint(0, 16, (64, 4, GROUP))
    levels[..., 0], levels[..., 1] = 0, 15
    weight = (levels * torch.rand(64, 4, 1) + torch.randn(64, 4, 1)).view(64, -1)
    x, bias = torch.randn(3, 4 * GROUP).bfloat16(), torch.randn(64).bfloat16()
    exact = x.float() @ weight.T + bias.float()
    assert (FourBitLinear(weight, bias)(x).float() - exact).norm() < 0.01 * exact.norm()


def test_weights_on_no_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="no grid"):
        FourBitLinear(torch.randn(64, 4 * GROUP))


@pytest.mark.parametrize("width", [576, 1536, 20, 7])
def test_a_rotation_keeps_lengths_and_undoes_itself(width: int) -> None:
    x, rotation = torch.randn(3, width), Rotation(width)
    assert rotation.block * rotation.stride == width
    torch.testing.assert_close(rotation(x).norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotation(rotation(x)), x)


def test_a_rotation_spreads_what_stands_out() -> None:
    x = torch.zeros(576)
    x[100] = 64.0
    assert float(Rotation(576)(x).abs().max()) == pytest.approx(8.0)


@needs_eight_bits
@pytest.mark.parametrize(("rows", "tokens"), [(WINDOW, 2500), (FEW_ROWS, 600)])
def test_int8_predicts_a_text_as_well_as_the_weights_as_stored(default_model: Path, rows: int, tokens: int) -> None:
    spec, ids = read_spec(default_model), example_text(Tokenizer(default_model))[:tokens]

    def measured(weights: str) -> float:
        choice = probe(spec, dtype=torch.bfloat16, weights=weights)
        return perplexity(load_runner(spec, choice, WINDOW), ids, rows=rows)

    assert measured("int8") < AIM * measured("exact")
