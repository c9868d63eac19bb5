"""Which instructions the compiled kernels may use."""

import llvmlite.binding
import numba
import torch


def has(*features: str) -> bool:
    """Whether this processor has those, by LLVM's names, and the compiler takes it for what it is."""
    # A compiler that is told of another processor than this one has no such instruction, and ends the process.
    told = numba.config.CPU_NAME or numba.config.CPU_FEATURES
    return not told and all(llvmlite.binding.get_host_cpu_features().get(feature) for feature in features)


def has_unit() -> bool:
    """Whether there is a unit for matrices of bfloat16 that this process may use."""
    return has("amx-tile", "amx-bf16") and _unit_is_given()


def _unit_is_given() -> bool:
    """Linux gives a process the unit's registers when it asks for them; torch does so for its own kernels."""
    ask = getattr(torch.cpu, "_init_amx", None)
    return ask is not None and bool(ask())
