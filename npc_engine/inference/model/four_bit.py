"""A linear whose weights go back to the four bits they came from.

The weights of a model that was converted from a 4-bit file lie on that file's grid: 16 levels for 32 neighbours of a
row. Written in four bits again they are what they were, and a step over few rows, which does nothing but read weights,
reads a quarter. Weights that lie on no such grid stay what they are: four bits would cost them their quality.
"""

from typing import NamedTuple, Protocol

import torch

from npc_engine.inference.model.linears import Gated, GatedLinear, Linear, NormedLinear
from npc_engine.inference.model.rows import Rows

GROUP = 32
NEAR = 0.01
"""Weights lie on a grid if what it loses of them is less than this share."""

_LEVELS, _MIDDLE = 15, 8


class FourBit(Protocol):
    """A way to compute linears over four bits.

    It is faster than eight bits for steps of up to ``few_rows`` rows, and than weights as they are stored, where those
    beat eight bits, up to ``few_beside_stored``; None means for any number. ``stream`` is the dtype of the residual
    stream that its linears read and add to.
    """

    few_rows: int | None
    few_beside_stored: int | None
    stream: torch.dtype

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None = None, norm: torch.Tensor | None = None, eps: float = 0.0
    ) -> Linear:
        """A linear over ``weight`` [out, in], behind a root-mean-square norm if there is one.

        Raises ValueError if the weight lies on no grid, or can't be computed with.
        """
        ...

    def gated(self, weight: torch.Tensor, norm: torch.Tensor, eps: float) -> Gated:
        """A linear over ``weight`` [out, in] behind a norm, with a gate behind it. Raises as ``linear`` does."""
        ...


class PlainFourBit:
    """The library's product. See ``FourBit``."""

    # Beyond, reading four bits and unpacking them takes longer than multiplying eight (two AVX-512 cores).
    few_rows: int | None = 4
    few_beside_stored: int | None = 4
    stream = torch.bfloat16

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None = None, norm: torch.Tensor | None = None, eps: float = 0.0
    ) -> Linear:
        """See FourBit."""
        linear = FourBitLinear(weight, bias)
        return linear if norm is None else NormedLinear(norm, eps, linear, self._rows)

    def gated(self, weight: torch.Tensor, norm: torch.Tensor, eps: float) -> Gated:
        """See FourBit."""
        return GatedLinear(self.linear(weight, None, norm, eps), self._rows)


class FourBitLinear:
    """Packed four-bit weights with a scale and a middle for each group. Computes in bfloat16; fast for few rows."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        """``weight`` [out, in]. Raises ValueError if it lies on no grid."""
        grid = Grid.of(weight)
        self._weight = torch.ops.aten._convert_weight_to_int4pack_for_cpu(grid.levels, 2)
        middle = grid.low + _MIDDLE * grid.scale
        self._grid = torch.stack((grid.scale, middle), dim=-1).bfloat16().transpose(0, 1).contiguous()
        self._bias = bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = x.to(torch.bfloat16)
        out: torch.Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(x, self._weight, GROUP, self._grid)
        return out if self._bias is None else out.add_(self._bias)

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        return stream.add_(self(x))


class Grid(NamedTuple):
    """A weight as the ``levels`` int32 [out, in] of its groups' grids.

    Level 0 of a group stands for ``low``, each level more for ``scale`` more: float32 [out, in / GROUP].
    """

    levels: torch.Tensor
    low: torch.Tensor
    scale: torch.Tensor

    @classmethod
    def of(cls, weight: torch.Tensor) -> "Grid":
        """Raises ValueError if ``weight`` lies on no grid."""
        if weight.shape[1] % GROUP:
            raise ValueError("rows of such a length have no whole number of groups")
        groups = weight.float().view(len(weight), -1, GROUP)
        low, high = torch.aminmax(groups, dim=-1, keepdim=True)
        scale = ((high - low) / _LEVELS).clamp_(min=torch.finfo(torch.bfloat16).tiny)
        levels = ((groups - low) / scale).round_()
        # As both kernels have them.
        found = levels * scale.bfloat16() + low.bfloat16()
        if (found - groups).norm() > NEAR * groups.norm():
            raise ValueError("these weights lie on no grid of four bits")
        return cls(levels.view(weight.shape).to(torch.int32), low.squeeze(-1), scale.squeeze(-1))
