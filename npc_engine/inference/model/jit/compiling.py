"""What whoever waits for a first start is told: which of the kernels are compiled."""

from contextlib import AbstractContextManager
from typing import Any

from numba.core.event import Event, Listener, install_listener

from npc_engine.inference.model.jit import grid, unit_grid
from npc_engine.inference.model.jit.decode_attention import decode_attention, shared_attention
from npc_engine.inference.model.jit.instructions import has, has_unit
from npc_engine.inference.model.jit.layer import rotate_and_store
from npc_engine.inference.model.jit.prompt_attention import prompt_attention
from npc_engine.inference.model.jit.prompts import unit_steps
from npc_engine.inference.model.jit.rows import add_scaled, gate, norm, scaled, to_levels
from npc_engine.inference.model.jit.unit_attention import shared_unit_attention, unit_attention
from npc_engine.inference.model.progress import Progress
from npc_engine.inference.model.spec import ModelSpec


def kernels(spec: ModelSpec) -> list[Any]:
    """What a start compiles on this processor for such a model: numba's dispatchers."""
    found = [rotate_and_store, decode_attention, prompt_attention, norm, gate, to_levels, scaled, add_scaled]
    found += [shared_attention] if unit_steps(spec) is None else [shared_unit_attention, unit_attention]
    if has("avx512vnni"):
        found += [grid.pack, grid.product, grid.add_product]
        if has_unit():
            found += [unit_grid.product, unit_grid.add_product, unit_grid.gated_product]
    return found


def reporting(spec: ModelSpec, report: Progress) -> AbstractContextManager[object]:
    """While it lasts, ``report`` is told of kernels for ``spec`` that are compiled; where all are kept, of nothing."""
    listening: AbstractContextManager[object] = install_listener("numba:compile", _Reporter(kernels(spec), report))
    return listening


class _Reporter(Listener):  # type: ignore[misc]
    """numba compiles one kernel at a time, whichever threads ask for some."""

    def __init__(self, kernels: list[Any], report: Progress) -> None:
        self._kernels, self._report = kernels, report
        self._begun = False

    def on_start(self, event: Event) -> None:
        """A kernel, or a function that one calls, is about to be compiled."""
        if not self._begun and event.data["dispatcher"] in self._kernels:
            self._report.begin("Compiling kernels for this processor, once", len(self._kernels), "kernels")
            self._begun = True

    def on_end(self, event: Event) -> None:
        """It is compiled."""
        if event.data["dispatcher"] in self._kernels:
            self._report.advance(sum(bool(kernel.overloads) for kernel in self._kernels))
