"""What is done to rows of activations around a matrix product."""

from typing import Protocol

import torch
from torch.nn import functional

from npc_engine.inference.model.rotation import Rotation

LARGEST, ZERO_POINT = 127, 128
"""Eight-bit levels go LARGEST up and down from ZERO_POINT."""

# A row of zeros has no largest value to be divided by.
_SMALLEST = 1e-12
_MIDDLE = torch.tensor(ZERO_POINT + 0.5)


class Rows(Protocol):
    """Rows are [rows, size]."""

    def norm(self, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        """Each row over its root mean square, times ``weight`` [size]: Zhang and Sennrich, arXiv 1910.07467."""
        ...

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        """silu(left half) * right half of [rows, 2 * size], which may be overwritten."""
        ...

    def levels(
        self, x: torch.Tensor, eps: float | None, rotation: Rotation | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows as uint8 levels, and what LARGEST of each row's levels stands for, float32 [rows].

        With ``eps`` that is of the row over its root mean square, which so costs no pass of its own. With ``rotation``,
        the levels are the rotated row's.
        """
        ...

    def scaled(
        self, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype
    ) -> torch.Tensor:
        """``product`` float32, which is overwritten, times its rows' ``scale``, plus ``bias``, in ``dtype``."""
        ...

    def add_scaled(
        self, stream: torch.Tensor, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """``stream`` float32, which is overwritten, plus ``product`` times its rows' ``scale``, plus ``bias``."""
        ...


class PlainRows:
    """The library's kernels. See ``Rows``."""

    def norm(self, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        """See Rows."""
        return functional.rms_norm(x, weight.shape, weight, eps)

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        """See Rows."""
        gate, up = gate_up.chunk(2, dim=-1)
        return functional.silu(gate).mul_(up)

    def levels(
        self, x: torch.Tensor, eps: float | None, rotation: Rotation | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See Rows."""
        x = x.float() if rotation is None else rotation(x)
        largest = x.abs().amax(dim=-1, keepdim=True).clamp_(min=_SMALLEST)
        # Cutting off after adding a half rounds, and one pass adds, scales and divides.
        levels = torch.addcdiv(_MIDDLE, x, largest, value=LARGEST).to(torch.uint8)
        if eps is not None:
            largest = (x * x).mean(dim=-1, keepdim=True).add_(eps).rsqrt_().mul_(largest)
        return levels, largest.flatten()

    def scaled(
        self, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype
    ) -> torch.Tensor:
        """See Rows."""
        out = product.mul_(scale[:, None])
        return (out if bias is None else out.add_(bias)).to(dtype)

    def add_scaled(
        self, stream: torch.Tensor, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """See Rows."""
        if bias is not None:
            stream.add_(bias)
        return stream.addcmul_(product, scale[:, None])
