"""Linear layers over weights as they are stored, and what every kind of linear offers."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch.nn import functional

from npc_engine.inference.model.rows import Rows


class Linear(Protocol):
    """A linear layer, with the norm before it if it has one."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """``x [rows, in] -> [rows, out]``."""
        ...

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """``stream [rows, out]`` plus this linear of ``x``; ``stream`` is overwritten."""
        ...


class Gated(Protocol):
    """A linear whose left half of outputs, through silu, gates the right: Shazeer, arXiv 2002.05202."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """``x [rows, in] -> [rows, out / 2]``."""
        ...


class PlainLinear:
    """The library's linear over the weight as it is stored, [out, in]."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight, self.bias)

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        return stream.add_(self(x))


class PackedLinear:
    """oneDNN's linear over a weight brought into its blocked layout once, instead of at every call.

    1.3 to 1.8 times the speed of the plain one at decode sizes. The operators are the ones that ``torch.compile``
    emits when it freezes a model; ``available`` says whether this build has them.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
        self.bias = bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return out

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        return stream.add_(self(x))

    @staticmethod
    def available(dtype: torch.dtype) -> bool:
        """Whether this build and CPU have the packed operators for ``dtype``, and they compute a linear."""
        if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            return False
        weight = torch.eye(32, dtype=dtype)
        x = torch.arange(64, dtype=dtype).view(2, 32)
        try:
            return torch.equal(PackedLinear(weight)(x), x)
        except (RuntimeError, AttributeError, NotImplementedError):
            return False


class NormedLinear:
    """A linear of a row's root-mean-square norm: Zhang & Sennrich, arXiv 1910.07467. ``norm`` is [in]."""

    def __init__(self, norm: torch.Tensor, eps: float, linear: Linear, rows: Rows) -> None:
        self._norm, self._eps, self._linear, self._rows = norm, eps, linear, rows

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self._linear(self._rows.norm(x, self._norm, self._eps))

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See Linear."""
        return stream.add_(self(x))


class GatedLinear:
    """A linear, and then its gate. See ``Gated``."""

    def __init__(self, linear: Linear, rows: Rows) -> None:
        self._linear, self._rows = linear, rows

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self._rows.gate(self._linear(x))


MakeLinear = Callable[[torch.Tensor, torch.Tensor | None], Linear]
LINEAR_KERNELS: dict[str, MakeLinear] = {"plain": PlainLinear, "packed": PackedLinear}
