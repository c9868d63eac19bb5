"""Attention of those that decode, one new token each, by the compiled kernels."""

import numpy as np
import torch

from npc_engine.inference.model.batch import Group
from npc_engine.inference.model.jit.arrays import Bits, Floats, bits, threads
from npc_engine.inference.model.jit.decode_attention import BESIDE_SUMS, decode_attention, shared_attention
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.prompts import Steps
from npc_engine.inference.model.jit.unit_attention import shared_unit_attention
from npc_engine.inference.model.spec import ModelSpec

_PARTS_PER_THREAD = 3


class DecodeGroup:
    """A group of one query a slot, its arrays made once for all layers: each layer overwrites what the last one found.

    ``query`` is the batch's, uint16 [rows, heads, head_dim].
    """

    def __init__(self, spec: ModelSpec, group: Group, query: Bits) -> None:
        size, kv_heads, fold, head_dim = group.size, spec.kv_heads, spec.group, spec.head_dim
        shape = (size, kv_heads, fold, head_dim)
        self.first, self.shared = group.first, group.shared
        self.lengths = group.visible[:, 0].numpy()
        self.query = query[group.row : group.row + group.count].reshape(shape)
        self.out = torch.empty(size, spec.heads * head_dim, dtype=torch.bfloat16)
        self.out_bits = bits(self.out).reshape(shape)
        # What attention to the shared keys comes to, as ``decode_attention`` merges it; empty if there are none.
        self.common: Floats = np.empty(
            (size, kv_heads, fold, head_dim + BESIDE_SUMS) if group.shared else (0, 0, 0, 0), np.float32
        )
        # Among how many the work on each KV head is shared out.
        self.parts = min(size, -(-threads() * _PARTS_PER_THREAD // kv_heads))


class DecodeKernels:
    """Attention of a ``DecodeGroup`` over a layer's slots; with ``steps``, the unit for matrices does a part of it."""

    def __init__(self, spec: ModelSpec, steps: Steps | None) -> None:
        self._scale = np.float32(spec.head_dim**-0.5)
        self._heads = (np.float32(0),) * spec.group
        self._lanes = (0,) * (spec.head_dim // LANES)
        self._steps = steps

    def __call__(self, group: DecodeGroup, keys: Bits, values: Bits) -> torch.Tensor:
        """[rows of the group, heads * head_dim]. ``keys``, ``values`` uint16 [slots, kv_heads, capacity, head_dim]."""
        if group.shared:
            self._attend_to_shared(group, keys, values)
        decode_attention(
            group.query,
            keys,
            values,
            group.first,
            group.lengths,
            group.shared,
            group.common,
            self._scale,
            group.parts,
            self._heads,
            self._lanes,
            group.out_bits,
        )
        return group.out

    def _attend_to_shared(self, group: DecodeGroup, keys: Bits, values: Bits) -> None:
        where = group.query, keys, values, group.first, group.shared, self._scale, group.parts
        if self._steps is None:
            shared_attention(*where, self._heads, self._lanes, group.common)
        else:
            shared_unit_attention(*where, self._steps, group.common)
