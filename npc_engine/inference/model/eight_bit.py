"""A linear in whole numbers: eight bits for the weights, eight for each row of activations.

oneDNN multiplies them four at a time where the CPU has VNNI, at twice the speed of bfloat16, and reads half the bytes.
Every row has its own scale; one for all rows would be the loudest row's, and ruins a small model.
"""

import torch

from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.rows import LARGEST, ZERO_POINT, PlainRows, Rows

# A row of zeros has no largest value to be divided by.
_SMALLEST = 1e-12


class EightBitLinear:
    """``x [rows, in]`` float32 -> float32 [rows, out], or ``dtype`` if given.

    With ``eps`` the input is divided by its root mean square first; that costs next to nothing, for a row's scale takes
    it in. The weights of such a norm are to be multiplied into ``weight`` before. With ``rotation`` the input is turned
    first, and ``weight`` here, so that nothing in a row stands out.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        *,
        eps: float | None = None,
        dtype: torch.dtype = torch.float32,
        rows: Rows | None = None,
        rotation: Rotation | None = None,
    ) -> None:
        weight = weight.float() if rotation is None else rotation(weight)
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_(min=_SMALLEST) / LARGEST
        levels = (weight / scale).round_().to(torch.int8).contiguous()
        self._weight = torch.ops.onednn.qlinear_prepack(levels, None)
        # A row's scale is its largest value over LARGEST: that division is the weights' to make, once.
        self._scale = scale.flatten() / LARGEST
        self._zero = torch.zeros(len(weight), dtype=torch.int64)
        self._bias = None if bias is None else bias.float()
        self._eps, self._dtype, self._rows, self._rotation = eps, dtype, rows or PlainRows(), rotation

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        levels, scale = self._rows.levels(x, self._eps, self._rotation)
        return self._rows.scaled(self._product(levels), scale, self._bias, self._dtype)

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        levels, scale = self._rows.levels(x, self._eps, self._rotation)
        return self._rows.add_scaled(stream, self._product(levels), scale, self._bias)

    def _product(self, levels: torch.Tensor) -> torch.Tensor:
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
        x = torch.cat((torch.full((8, 64), 127.0), torch.arange(512.0).view(8, 64) % 127))
        try:
            return torch.allclose(EightBitLinear(weight)(x), x @ weight.T, rtol=0.02, atol=1.0)
        except (RuntimeError, AttributeError, NotImplementedError):
            return False
