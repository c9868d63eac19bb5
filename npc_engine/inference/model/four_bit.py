"""A linear whose weights go back to the four bits they came from.

The weights of a model that was converted from a 4-bit file lie on that file's grid: 16 levels for 32 neighbours of a
row. Written in four bits again they are what they were, and a step over few rows, which does nothing but read weights,
reads a quarter. Weights that lie on no such grid stay what they are: four bits would cost them their quality.
"""

import torch

GROUP = 32
_LEVELS, _MIDDLE, _NEAR = 15, 8, 0.01


class FourBitLinear:
    """Packed four-bit weights with a scale and a middle for each group. Computes in bfloat16; fast for few rows."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        """``weight`` [out, in], on a grid. Raises ValueError if it is on none: ask ``on_grid`` before."""
        levels, grid, error = _levels(weight)
        if error > _NEAR:
            raise ValueError("these weights lie on no grid of four bits")
        self._weight = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels, 2)
        self._grid, self._bias = grid, bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = x.to(torch.bfloat16)
        out: torch.Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(x, self._weight, GROUP, self._grid)
        return out if self._bias is None else out.add_(self._bias)

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        return stream.add_(self(x))


def _levels(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The level of each weight, int32 [out, in]; scale and middle, bfloat16 [in / GROUP, out, 2]; relative error."""
    groups = weight.float().view(len(weight), -1, GROUP)
    low, high = torch.aminmax(groups, dim=-1, keepdim=True)
    scale = ((high - low) / _LEVELS).clamp_(min=torch.finfo(torch.bfloat16).tiny)
    levels = ((groups - low) / scale).round_()
    grid = torch.cat((scale, low + _MIDDLE * scale), dim=-1).to(torch.bfloat16)
    found = (levels - _MIDDLE) * grid[..., :1] + grid[..., 1:]
    error = float((found - groups).norm() / groups.norm())
    return levels.view(weight.shape).to(torch.int32), grid.transpose(0, 1).contiguous(), error
