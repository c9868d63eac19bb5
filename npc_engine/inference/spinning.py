"""How long torch's threads wait for each other busily.

Measured on two cores with GNU OpenMP, decoding one sequence: by default its threads spin for milliseconds, which is
harmless on an idle machine (41 tokens per second) and ruinous beside other busy processes (4 tokens per second under
mixed work; no result within 100 seconds beside a busy loop): each barrier waits for a thread that has no core. With
10,000 spins it is 41 when idle and 39 beside the busy loop. A game is a busy process.
"""

import os
import sys

_SPINS = "10000"


def limit_spinning() -> None:
    """Call before torch is first imported: its OpenMP reads the environment then. The user's own settings stay."""
    assert "torch" not in sys.modules, "too late: torch is loaded"
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
