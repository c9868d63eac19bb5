"""Memory straight from the system: zeroed, costing nothing until it is written, and returned when it is let go."""

import math
import mmap

import torch

# A shared map, the default where there is a choice, would take memory for pages that are only read.
_PRIVATE: dict[str, int] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


def anonymous_memory(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A zeroed tensor on the CPU in a mapping of its own."""
    raw = mmap.mmap(-1, math.prod(shape) * dtype.itemsize, **_PRIVATE)
    return torch.frombuffer(raw, dtype=dtype).view(shape)
