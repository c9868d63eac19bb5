"""A linear in whole numbers: eight bits for the weights, eight for each row of activations.

oneDNN multiplies them four at a time where the CPU has VNNI, at twice the speed of bfloat16, and reads half the bytes.
Every row has its own scale; one for all rows would be the loudest row's, and ruins a small model.
"""

import torch

_LARGEST, _ZERO_POINT = 127, 128
# A row of zeros has no largest value to be divided by.
_SMALLEST = 1e-12


class EightBitLinear:
    """``x [rows, in]`` float32 -> float32 [rows, out], or ``dtype`` if given.

    With ``eps`` the input is divided by its root mean square first; that costs next to nothing, for a row's scale takes
    it in. The weights of such a norm are to be multiplied into ``weight`` before.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        *,
        eps: float | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        weight = weight.float()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_(min=_SMALLEST) / _LARGEST
        levels = (weight / scale).round_().to(torch.int8).contiguous()
        self._weight = torch.ops.onednn.qlinear_prepack(levels, None)
        # A row's scale is its largest value over _LARGEST: that division is the weights' to make, once.
        self._scale = scale.flatten() / _LARGEST
        self._zero = torch.zeros(len(weight), dtype=torch.int64)
        self._bias = None if bias is None else bias.float()
        self._eps, self._dtype = eps, dtype

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        levels, scale = self._levels(x)
        out = self._product(levels)
        out = out.mul_(scale) if self._bias is None else torch.addcmul(self._bias, out, scale)
        return out.to(self._dtype)

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        levels, scale = self._levels(x)
        if self._bias is not None:
            stream.add_(self._bias)
        return stream.addcmul_(self._product(levels), scale)

    def _levels(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows as uint8 around ``_ZERO_POINT``, and what _LARGEST of a row's levels stand for, float32 [rows, 1]."""
        x = x.float()
        largest = x.abs().amax(dim=-1, keepdim=True).clamp_(min=_SMALLEST)
        # Cutting off after adding a half rounds, and one pass adds, scales and divides.
        levels = torch.addcdiv(_MIDDLE, x, largest, value=_LARGEST).to(torch.uint8)
        if self._eps is None:
            return levels, largest
        return levels, (x * x).mean(dim=-1, keepdim=True).add_(self._eps).rsqrt_().mul_(largest)

    def _product(self, levels: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            levels,
            1.0,
            _ZERO_POINT,
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


_MIDDLE = torch.tensor(_ZERO_POINT + 0.5)
