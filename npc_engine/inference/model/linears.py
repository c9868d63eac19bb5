"""Linear layers over weights as they are stored, in the variants between which ``probe`` chooses by measuring."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch.nn import functional


class Linear(Protocol):
    """``x [rows, in] -> [rows, out]`` in ``x``'s dtype."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor: ...


class PlainLinear:
    """The library's linear over the weight as it is stored, [out, in]."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight, self.bias)


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


MakeLinear = Callable[[torch.Tensor, torch.Tensor | None], Linear]
LINEAR_KERNELS: dict[str, MakeLinear] = {"plain": PlainLinear, "packed": PackedLinear}
