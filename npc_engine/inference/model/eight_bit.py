"""A linear in whole numbers: eight bits for the weights, eight for each row of activations.

oneDNN multiplies them four at a time where the CPU has VNNI, at twice the speed of bfloat16, and reads half the bytes.
Every row has its own scale; one for all rows would be the loudest row's, and ruins a small model.
"""

import torch

LARGEST, ZERO_POINT = 127, 128
# A row of zeros has no largest value to be divided by.
SMALLEST = 1e-12


class EightBitLinear:
    """The weights, and the product with rows that are levels already; ``Operations`` makes levels and scales back."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        """``weight`` [out, in], ``bias`` [out]."""
        weight = weight.float()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_(min=SMALLEST) / LARGEST
        levels = (weight / scale).round_().to(torch.int8).contiguous()
        self._weight = torch.ops.onednn.qlinear_prepack(levels, None)
        # A row's scale is its largest value over LARGEST: that division is the weights' to make, once.
        self._scale = scale.flatten() / LARGEST
        self._zero = torch.zeros(len(weight), dtype=torch.int64)
        self.bias = None if bias is None else bias.float()

    def product(self, levels: torch.Tensor) -> torch.Tensor:
        """uint8 ``levels`` [rows, in] around ZERO_POINT -> float32 [rows, out], to be multiplied by the rows' scales.

        A row's scale is what LARGEST of its levels stand for. Without ``bias``, which comes after that.
        """
        out: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            levels,
            1.0,
            ZERO_POINT,
            self._weight,
            self._scale,
            self._zero,
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return out

    @staticmethod
    def available() -> bool:
        """Whether this build has the operators and the CPU sums eight-bit products without cutting them off.

        Before VNNI, pairs of products were summed in 16 bits, which the largest ones exceed.
        """
        weight = torch.cat((torch.full((32, 64), 127.0), torch.eye(64)[:32]))
        levels = torch.cat((torch.full((8, 64), 255), torch.arange(512).view(8, 64) % 255)).to(torch.uint8)
        expected = (levels.float() - ZERO_POINT) @ weight.T / LARGEST
        try:
            return torch.allclose(EightBitLinear(weight).product(levels), expected, rtol=1e-4, atol=1e-4)
        except (RuntimeError, AttributeError, NotImplementedError):
            return False
