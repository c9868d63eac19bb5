"""Attention of prompts, by one of several kernels."""

from typing import Protocol

import numpy as np
import torch

from npc_engine.inference.model.batch import Group
from npc_engine.inference.model.jit.arrays import bits, threads
from npc_engine.inference.model.jit.instructions import has_unit
from npc_engine.inference.model.jit.prompt_attention import prompt_attention
from npc_engine.inference.model.jit.unit import STEP
from npc_engine.inference.model.jit.unit_attention import MOST_STEPS, unit_attention
from npc_engine.inference.model.kernels import ATTENTION_KERNELS, AttentionKernel, attend_in_steps, fold, unfold
from npc_engine.inference.model.spec import ModelSpec

_PARTS_PER_THREAD = 6


Steps = tuple[int, ...]
"""As long as a head has times STEP numbers: its length is known to the compiler."""


class PromptAttention(Protocol):
    """Attention of a group's rows of ``query`` [rows, heads, head_dim] over a layer's slots.

    ``keys``, ``values`` [slots, kv_heads, capacity, head_dim]. Returns [rows of the group, heads * head_dim].
    """

    def __call__(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, group: Group) -> torch.Tensor: ...


class LibraryPrompts:
    """By one of the library's kernels. See ``PromptAttention``."""

    def __init__(self, spec: ModelSpec, kernel: AttentionKernel) -> None:
        self._scale, self._kernel = float(spec.head_dim) ** -0.5, kernel

    def __call__(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, group: Group) -> torch.Tensor:
        return attend_in_steps(self._kernel, query, keys, values, group, self._scale)


class CompiledPrompts:
    """By vector instructions. See ``PromptAttention``."""

    def __init__(self, spec: ModelSpec) -> None:
        self._scale = np.float32(spec.head_dim**-0.5)

    def __call__(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, group: Group) -> torch.Tensor:
        folded = fold(query, group, keys.shape[1])
        out = torch.empty_like(folded)
        visible = group.visible.numpy()
        prompt_attention(
            bits(folded), bits(keys), bits(values), group.first, visible, self._scale, group.fold, bits(out)
        )
        return unfold(out, group)


class UnitPrompts:
    """By the processor's unit for matrices. See ``PromptAttention``."""

    def __init__(self, spec: ModelSpec, steps: Steps) -> None:
        self._scale, self._steps = np.float32(spec.head_dim**-0.5), steps
        self._items = threads() * _PARTS_PER_THREAD

    def __call__(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, group: Group) -> torch.Tensor:
        folded = fold(query, group, keys.shape[1])
        out = torch.empty_like(folded)
        unit_attention(
            bits(folded),
            bits(keys),
            bits(values),
            group.first,
            group.shared,
            group.visible.numpy(),
            self._scale,
            group.fold,
            -(-self._items // keys.shape[1]),
            self._steps,
            bits(out),
        )
        return unfold(out, group)


COMPILED, UNIT = "compiled", "matrix unit"


def prompt_kernels(spec: ModelSpec) -> dict[str, PromptAttention]:
    """The compiled kernels that there are on this processor for such a model, by name."""
    kernels: dict[str, PromptAttention] = {COMPILED: CompiledPrompts(spec)}
    if (steps := unit_steps(spec)) is not None:
        kernels[UNIT] = UnitPrompts(spec, steps)
    return kernels


def prompt_kernel(spec: ModelSpec, name: str) -> PromptAttention:
    """The kernel of that name: a compiled one, or one of the library's."""
    compiled = prompt_kernels(spec).get(name)
    return compiled or LibraryPrompts(spec, ATTENTION_KERNELS[name])


def unit_steps(spec: ModelSpec) -> Steps | None:
    """The steps of a head for the unit for matrices; None where there is none, or none for heads of that size."""
    fits = spec.head_dim % STEP == 0 and spec.head_dim <= MOST_STEPS * STEP
    return (0,) * (spec.head_dim // STEP) if fits and has_unit() else None
