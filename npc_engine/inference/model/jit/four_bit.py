"""A linear over weights on a grid of four bits, by the compiled kernels. See ``FourBitLinear``."""

import logging
from types import ModuleType

import numpy as np
import torch
from torch.nn import functional

from npc_engine.inference.model.four_bit import NEAR
from npc_engine.inference.model.jit import grid, unit_grid
from npc_engine.inference.model.jit.arrays import bits, floats, numbers, use_threads
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.grid import GROUP, TILE_BYTES, TILE_NUMBERS, pack
from npc_engine.inference.model.jit.instructions import has, has_unit
from npc_engine.inference.model.jit.rows import gate
from npc_engine.inference.model.linears import Gated, Linear

_log = logging.getLogger(__name__)


FEW_ROWS = 12
"""Up to there a step does little but read weights, and the unit for matrices, which takes 16 rows, gains nothing."""

_FEW_BESIDE_STORED = 24
"""From there on weights as they are stored are multiplied as fast, if as fast as eight bits (two AMX cores)."""


class JitFourBit:
    """See ``FourBit``. With ``unit``, the processor's unit for matrices multiplies steps of more than FEW_ROWS.

    It computes as fast as eight bits do, and with ``unit`` as bfloat16 does.
    """

    few_rows: int | None = None
    stream = torch.float32

    def __init__(self, *, unit: bool) -> None:
        self._unit = unit
        self.few_beside_stored: int | None = None if unit else _FEW_BESIDE_STORED

    def linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None = None, norm: torch.Tensor | None = None, eps: float = 0.0
    ) -> Linear:
        """See FourBit."""
        return self._linear(weight, bias, norm, eps)

    def gated(self, weight: torch.Tensor, norm: torch.Tensor, eps: float) -> Gated:
        """See FourBit."""
        return self._linear(weight, None, norm, eps).gated

    def _linear(
        self, weight: torch.Tensor, bias: torch.Tensor | None, norm: torch.Tensor | None, eps: float
    ) -> "JitFourBitLinear":
        return JitFourBitLinear(weight, bias, norm, eps, few_rows=FEW_ROWS if self._unit else None)


def four_bit_available() -> bool:
    """Whether this processor has the instruction for eight-bit products, and the kernels compute a linear with it."""
    return has("avx512vnni") and _computes(None)


def unit_available() -> bool:
    """Whether the unit for matrices is there and computes a linear."""
    return has_unit() and _computes(0)


def _computes(few_rows: int | None) -> bool:
    levels = torch.arange(4 * LANES * 2 * GROUP).view(4 * LANES, -1) * 7 % 16
    weight = 0.5 * levels.float() - 3.0
    x = torch.arange(11.0 * 2 * GROUP).view(11, -1) % 23 - 11
    exact = x @ weight.T
    left, right = exact.chunk(2, dim=-1)
    expected = exact, exact, functional.silu(left) * right
    try:
        linear = JitFourBitLinear(weight, few_rows=few_rows)
        # As a model calls them: it reads the stream, and adds to it what is in bfloat16.
        results = linear(x).float(), linear.add_to(torch.zeros_like(exact), x.bfloat16()), linear.gated(x).float()
    except Exception as error:  # a compiler fails in its own ways
        _log.warning("compiled four-bit products do not work here (%s); slower ones are used", error)
        return False
    if all(bool((ours - true).norm() < 0.02 * true.norm()) for ours, true in zip(results, expected, strict=True)):
        return True
    _log.warning("compiled four-bit products compute something else than they should; slower ones are used")
    return False


class JitFourBitLinear:
    """``x [rows, in]`` float32 or bfloat16 -> bfloat16 [rows, out], with the norm before it if there is one."""

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None = None,
        norm: torch.Tensor | None = None,
        eps: float = 0.0,
        *,
        few_rows: int | None = None,
    ) -> None:
        """``weight`` [out, in], on a grid. Raises ValueError if it is on none, or of a size that tiles do not fill.

        The unit for matrices multiplies more than ``few_rows`` rows, if there is one.
        """
        if len(weight) % LANES:
            raise ValueError("rows of such a number do not fill the tiles")
        if weight.shape[1] % GROUP:
            raise ValueError("rows of such a length have no whole number of groups")
        self._outputs = len(weight)
        shape = len(weight) // LANES, weight.shape[1] // GROUP
        packed = torch.empty(*shape, TILE_BYTES, dtype=torch.uint8)
        scales = torch.empty(*shape, TILE_NUMBERS, dtype=torch.bfloat16)
        # A vector of 64 bytes may begin there: torch promises that for what it allocates.
        assert packed.data_ptr() % 64 == scales.data_ptr() % 64 == 0
        self._weights, self._grid, squares = packed.numpy(), bits(scales), torch.empty(shape[0], 2)
        use_threads()
        exact = weight if weight.dtype is torch.bfloat16 else weight.float()
        pack(numbers(exact.contiguous()), self._weights, self._grid, squares.numpy())
        lost, whole = squares.sum(dim=0).tolist()
        if lost > NEAR**2 * whole:
            raise ValueError("these weights lie on no grid of four bits")
        self._few_rows = few_rows
        self._bias, self._norm, self._eps = floats(bias), floats(norm), np.float32(eps)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        use_threads()
        out = torch.empty(len(x), self._outputs, dtype=torch.bfloat16)
        self._products(x).product(numbers(x), self._norm, self._eps, self._weights, self._grid, self._bias, bits(out))
        return out

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See Linear. ``stream`` is float32."""
        use_threads()
        products, added = self._products(x), stream.numpy()
        products.add_product(numbers(x), self._norm, self._eps, self._weights, self._grid, self._bias, added)
        return stream

    def gated(self, x: torch.Tensor) -> torch.Tensor:
        """See Gated. It has no bias."""
        use_threads()
        out = torch.empty(len(x), self._outputs // 2, dtype=torch.bfloat16)
        if self._products(x) is unit_grid and len(self._weights) % 2 == 0:
            unit_grid.gated_product(numbers(x), self._norm, self._eps, self._weights, self._grid, self._bias, bits(out))
        else:
            gate(bits(self(x)), bits(out))
        return out

    def _products(self, x: torch.Tensor) -> ModuleType:
        """The kernels for so many rows."""
        return grid if self._few_rows is None or len(x) <= self._few_rows else unit_grid
