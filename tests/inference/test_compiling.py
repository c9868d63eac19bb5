"""Claims about what is told of kernels that are compiled: in processes of their own, which have called none yet."""

import os
import subprocess
import sys
from pathlib import Path

_SPEC = """
from pathlib import Path
from npc_engine.inference.model.spec import ModelSpec
spec = ModelSpec(Path(), "llama", 2, 128, 2, 1, 64, 320, 2048, frozenset(), {"rms_norm_eps": 1e-5})
"""

_ONE_KERNEL = f"""{_SPEC}
import numpy as np
from npc_engine.inference.model.jit.compiling import kernels, reporting
from npc_engine.inference.model.jit.rows import gate

class Said:
    def begin(self, step, total, unit): print(step, total == len(kernels(spec)), unit)
    def advance(self, done): print(done)

with reporting(spec, Said()):
    gate(np.zeros((2, 8), np.uint16), np.zeros((2, 4), np.uint16))
gate(np.zeros((2, 8), np.uint16), np.zeros((2, 4), np.uint16)[::-1])
"""

_WHOLE_START = f"""{_SPEC}
import sys
from npc_engine.inference.model.jit import four_bit, trial
from npc_engine.inference.model.jit.compiling import kernels
from npc_engine.inference.model.jit.kept import KernelCache

assert trial.make_trial(spec, slots=2, keys=512)
assert trial.make_prompt_trials(spec, slots=2, width=4, keys=512)
four_bit.four_bit_available() and four_bit.unit_available()
modules = [module for name, module in sys.modules.items() if name.startswith(trial.__package__)]
known = [kernel for module in modules for kernel in vars(module).values()]
ready = {{kernel for kernel in known if isinstance(getattr(kernel, "_cache", None), KernelCache) and kernel.overloads}}
print({{kernel.__name__ for kernel in kernels(spec)}} - {{kernel.__name__ for kernel in ready}})
# Those with an underscore are parts of others: compiled with them, and ready only where these were not kept.
print({{kernel.__name__ for kernel in ready - set(kernels(spec)) if kernel.__name__[0] != "_"}})
"""


def run(program: str, **environment: str) -> list[str]:
    """The lines that ``program`` prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_compiled_is_told_and_what_was_before_is_not(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert run(_ONE_KERNEL, NUMBA_CACHE_DIR=folder) == ["Compiling kernels for this processor, once True kernels", "1"]
    assert run(_ONE_KERNEL, NUMBA_CACHE_DIR=folder) == []


def test_the_kernels_that_are_counted_are_those_of_a_start() -> None:
    missing, too_many = run(_WHOLE_START)
    assert (missing, too_many) == ("set()", "set()")
