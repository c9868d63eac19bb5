"""Tensors as the arrays that compiled kernels take, without a copy."""

import threading
from typing import Any

import numba
import numpy as np
import torch

Bits = np.ndarray[Any, np.dtype[np.uint16]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
NONE: Floats = np.empty(0, np.float32)
"""Instead of weights that a layer does not have."""


def bits(tensor: torch.Tensor) -> Bits:
    """A bfloat16 tensor's memory as uint16."""
    array: Bits = tensor.view(torch.uint16).numpy()
    return array


def numbers(tensor: torch.Tensor) -> Bits | Floats:
    """A bfloat16 tensor's memory as uint16, or a float32 tensor's as it is."""
    if tensor.dtype is torch.bfloat16:
        return bits(tensor)
    array: Floats = tensor.numpy()
    return array


def floats(tensor: torch.Tensor | None) -> Floats:
    """A copy in float32; NONE for None."""
    if tensor is None:
        return NONE
    array: Floats = tensor.float().numpy()
    return array


class Converted:
    """Weights in float32, each converted when it is first asked for."""

    def __init__(self) -> None:
        # The weight is kept too: another one may not get its id.
        self._arrays: dict[int, tuple[torch.Tensor, Floats]] = {}

    def __call__(self, weight: torch.Tensor) -> Floats:
        """See ``floats``."""
        if id(weight) not in self._arrays:
            self._arrays[id(weight)] = weight, floats(weight)
        return self._arrays[id(weight)][1]


def threads() -> int:
    """How many may compute: as many as torch takes, and the compiled kernels have."""
    return min(torch.get_num_threads(), int(numba.config.NUMBA_NUM_THREADS))


class _Told(threading.local):
    """How many threads numba was last told of by the thread that asks: telling takes as long as a small kernel."""

    threads = 0


_told = _Told()


def use_threads() -> None:
    """Have compiled kernels run on that many. It holds for the thread that calls; kernels share out no few numbers."""
    if _told.threads != threads():
        _told.threads = threads()
        numba.set_num_threads(_told.threads)
