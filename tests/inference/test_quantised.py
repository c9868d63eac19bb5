"""Claims about weights in whole numbers: what a product keeps, and what a basis and a grid are for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from npc_engine.cli.bench.perplexity import AIM, example_text
from npc_engine.inference.load import load_runner, load_weights
from npc_engine.inference.model.eight_bit import EightBitLinear
from npc_engine.inference.model.four_bit import GROUP, FourBit, PlainFourBit
from npc_engine.inference.model.jit.four_bit import JitFourBit, four_bit_available, unit_available
from npc_engine.inference.model.quantised import FourBitsBesideStored
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.rows import PlainRows
from npc_engine.inference.model.spec import read_spec
from npc_engine.inference.model.weights import ResidentWeights
from npc_engine.inference.perplexity import WINDOW, perplexity
from npc_engine.inference.probe import probe
from npc_engine.inference.tokenizer import Tokenizer
from tests.tiny import make_tiny

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


FOUR_BIT: list[FourBit] = [PlainFourBit(PlainRows())]
if four_bit_available():
    FOUR_BIT.append(JitFourBit(unit=False))
if unit_available():
    FOUR_BIT.append(JitFourBit(unit=True))


def on_a_grid(outputs: int, groups: int) -> torch.Tensor:
    levels = torch.randint(0, 16, (outputs, groups, GROUP))
    levels[..., 0], levels[..., 1] = 0, 15
    return (levels * torch.rand(outputs, groups, 1) + torch.randn(outputs, groups, 1)).view(outputs, -1)


@pytest.mark.parametrize("four_bit", FOUR_BIT)
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8, 13, 32, 33, 90])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("outputs", [64, 48])
def test_weights_on_a_grid_of_four_bits_keep_their_values(
    four_bit: FourBit, rows: int, dtype: torch.dtype, outputs: int
) -> None:
    torch.manual_seed(rows)
    weight, bias = on_a_grid(outputs, 5), torch.randn(outputs).bfloat16()
    # A value that stands out may cost its neighbours, not the others of its row.
    x = torch.randn(rows, 5 * GROUP)
    x[:, 3] *= 8
    x = x.to(dtype)
    exact = x.float() @ weight.T + bias.float()
    linear = four_bit.linear(weight, bias)
    assert (linear(x).float() - exact).norm() < 0.02 * exact.norm()
    stream = torch.randn(rows, outputs).to(four_bit.stream)
    added = linear.add_to(stream.clone(), x).float() - stream.float()
    assert (added - exact).norm() < 0.02 * exact.norm()


@pytest.mark.parametrize("four_bit", FOUR_BIT)
@pytest.mark.parametrize("rows", [5, 40])
def test_a_norm_before_four_bits_is_the_librarys(four_bit: FourBit, rows: int) -> None:
    weight, norm, x = on_a_grid(32, 2), torch.rand(2 * GROUP).bfloat16(), (9 * torch.randn(rows, 2 * GROUP)).bfloat16()
    exact = torch.nn.functional.rms_norm(x.float(), (2 * GROUP,), norm.float(), 1e-5) @ weight.T
    ours = four_bit.linear(weight, None, norm, 1e-5)(x).float()
    assert (ours - exact).norm() < 0.015 * exact.norm()


@pytest.mark.parametrize("four_bit", FOUR_BIT)
@pytest.mark.parametrize("shape", [(64, 4 * GROUP), (64, GROUP + 1)])
def test_weights_on_no_grid_are_refused(four_bit: FourBit, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"no grid|whole number"):
        four_bit.linear(torch.randn(shape))


def test_tiles_that_would_not_be_full_are_refused() -> None:
    with pytest.raises(ValueError, match="tiles"):
        JitFourBit(unit=False).linear(on_a_grid(40, 2))


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
@pytest.mark.parametrize(("rows", "tokens"), [(WINDOW, 2500), (4, 600)])
def test_int8_predicts_a_text_as_well_as_the_weights_as_stored(default_model: Path, rows: int, tokens: int) -> None:
    spec, ids = read_spec(default_model), example_text(Tokenizer(default_model))[:tokens]

    def measured(weights: str) -> float:
        choice = probe(spec, dtype=torch.bfloat16, weights=weights)
        return perplexity(load_runner(spec, choice, WINDOW), ids, rows=rows)

    assert measured("int8") < AIM * measured("exact")


@needs_eight_bits
@pytest.mark.parametrize("four_bit", FOUR_BIT)
def test_four_bits_beside_the_weights_as_stored_take_the_steps_that_they_are_faster_for(
    default_model: Path, four_bit: FourBit
) -> None:
    spec, choice = read_spec(default_model), probe(read_spec(default_model), dtype=torch.bfloat16, weights="exact")
    stored: list[ResidentWeights] = []

    def read() -> ResidentWeights:
        stored.append(ResidentWeights(spec, choice.dtype, choice.device, choice.make_linear, choice.rows))
        return stored[-1]

    weights = FourBitsBesideStored(read, spec, choice.dtype, choice.rows, four_bit)
    few = four_bit.few_beside_stored
    assert len(stored) == (0 if few is None else 1)
    assert weights.route(1) is weights.route(few or 10_000)
    assert few is None or weights.route(few + 1) is stored[0]


@pytest.mark.parametrize("rows", [4, WINDOW])
def test_four_bits_predict_a_text_as_well_as_the_weights_as_stored(default_model: Path, rows: int) -> None:
    spec, ids = read_spec(default_model), example_text(Tokenizer(default_model))[:600]
    stored = probe(spec, dtype=torch.bfloat16, weights="exact")
    ours = perplexity(load_runner(spec, replace(stored, exact=False), WINDOW), ids, rows=rows)
    assert ours < AIM * perplexity(load_runner(spec, stored, WINDOW), ids, rows=rows)


@needs_eight_bits
def test_weights_on_no_grid_stay_as_they_are_stored_for_steps_of_any_size(tmp_path: Path) -> None:
    spec = read_spec(make_tiny(tmp_path))
    weights = load_weights(spec, replace(probe(spec, dtype=torch.bfloat16, weights="exact"), exact=False))
    assert weights.route(1) is weights.route(10_000)
