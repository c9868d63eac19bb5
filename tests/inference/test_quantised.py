"""Claims about weights in whole numbers: what a product keeps, and what a basis and a grid are for."""

import pytest
import torch

from npc_engine.inference.model.eight_bit import LARGEST, ZERO_POINT, EightBitLinear
from npc_engine.inference.model.four_bit import GROUP, FourBitLinear
from npc_engine.inference.model.rotation import Rotation


def dequantised(levels: torch.Tensor) -> torch.Tensor:
    return (levels.float() - ZERO_POINT) / LARGEST


@pytest.mark.skipif(not EightBitLinear.available(), reason="no eight-bit products here")
@pytest.mark.parametrize("rows", [1, 9])
def test_an_eight_bit_product_is_nearly_the_product(rows: int) -> None:
    weight, levels = torch.randn(96, 64), torch.randint(1, 256, (rows, 64), dtype=torch.uint8)
    exact = dequantised(levels) @ weight.T
    error = EightBitLinear(weight).product(levels) - exact
    assert error.norm() < 0.01 * exact.norm()


@pytest.mark.skipif(not EightBitLinear.available(), reason="no eight-bit products here")
def test_the_layout_of_the_weights_does_not_matter() -> None:
    weight, levels = torch.randn(96, 64), torch.randint(1, 256, (5, 64), dtype=torch.uint8)
    transposed = EightBitLinear(weight.T.contiguous().T)
    assert torch.equal(transposed.product(levels), EightBitLinear(weight).product(levels))


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
    x = torch.zeros(1, 576)
    x[0, 100] = 64.0
    assert rotation_peak(x) == pytest.approx(8.0)


def rotation_peak(x: torch.Tensor) -> float:
    return float(Rotation(x.shape[-1])(x).abs().max())
