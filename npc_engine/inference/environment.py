"""Settings of the libraries that compute, which they read from the environment when they are first imported.

- How long torch's threads wait for each other busily. Measured on two cores with GNU OpenMP, decoding one sequence: by
  default its threads spin for milliseconds, which is harmless on an idle machine (41 tokens per second) and ruinous
  beside other busy processes (4 tokens per second under mixed work; no result within 100 seconds beside a busy loop):
  each barrier waits for a thread that has no core. With 10,000 spins it is 41 when idle and 39 beside the busy loop. A
  game is a busy process.
- How many products oneDNN keeps compiled. There is one for every shape, and shapes change with the number of rows in a
  step; a thousand, its default, take 200 MB. Compiling one takes a third of a millisecond.
- Where kernels that numba compiles are kept.
"""

import os
import sys
from pathlib import Path

_SPINS, _PRODUCTS = "10000", "128"


def set_environment(kernels: Path) -> None:
    """Call before torch is first imported. What the user has set stays. ``kernels`` is a folder for compiled ones."""
    assert "torch" not in sys.modules, "too late: torch is loaded"
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _PRODUCTS)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernels))
