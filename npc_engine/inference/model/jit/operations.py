"""A layer's operations by the compiled kernels."""

from typing import Any

import numba
import numpy as np
import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch, Group
from npc_engine.inference.model.jit.attention import LANES, decode_attention
from npc_engine.inference.model.jit.layer import add_norm, gate, rotate_and_store
from npc_engine.inference.model.kernels import Attention, attend_group, join
from npc_engine.inference.model.operations import Rope
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import Layer

_PARTS_PER_THREAD = 3
_NOTHING = np.empty((0, 0), np.uint16)
_NO_NORM = np.empty(0, np.float32)

Bits = np.ndarray[Any, np.dtype[np.uint16]]


class JitOperations:
    """bfloat16 on a CPU. See ``Operations``. Prompts, many queries at a time, attend by ``attention``."""

    def __init__(self, spec: ModelSpec, attention: Attention, rope: Rope) -> None:
        assert spec.head_dim % LANES == 0
        self._spec, self._attention = spec, attention
        self._eps = np.float32(spec.config.get("rms_norm_eps", 1e-6))
        self._scale = np.float32(spec.head_dim**-0.5)
        self._cos, self._sin = rope.cos.numpy(), rope.sin.numpy()
        self._heads = (np.float32(0),) * spec.group
        self._lanes = (0,) * (spec.head_dim // LANES)
        self._threads = min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)
        self._weights: dict[int, np.ndarray[Any, np.dtype[np.float32]]] = {}

    def add_norm(self, x: torch.Tensor, delta: torch.Tensor | None, weight: torch.Tensor) -> torch.Tensor:
        """See Operations."""
        out = torch.empty_like(x)
        add_norm(bits(x), _NOTHING if delta is None else bits(delta), self._float(weight), self._eps, bits(out))
        return out

    def attend(self, qkv: torch.Tensor, layer: Layer, batch: Batch, slots: Slots, index: int) -> torch.Tensor:
        """See Operations."""
        spec = self._spec
        # For this thread, which may not be the one that made this object.
        numba.set_num_threads(self._threads)
        query = torch.empty(len(qkv), spec.heads, spec.head_dim, dtype=qkv.dtype)
        keys, values = slots.keys[index], slots.values[index]
        key_bits, value_bits = bits(keys), bits(values)
        rotate_and_store(
            bits(qkv).reshape(len(qkv), -1, spec.head_dim),
            self._cos,
            self._sin,
            batch.slots.numpy(),
            batch.positions.numpy(),
            self._float(layer.query_norm),
            self._float(layer.key_norm),
            self._eps,
            key_bits,
            value_bits,
            bits(query),
        )
        scale = spec.head_dim**-0.5
        parts = [
            self._decode(query, key_bits, value_bits, group)
            if group.lengths is not None
            else attend_group(self._attention, query, keys, values, group, scale)
            for group in batch.groups
        ]
        return join(parts)

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        """See Operations."""
        out = torch.empty(len(gate_up), gate_up.shape[1] // 2, dtype=gate_up.dtype)
        gate(bits(gate_up), bits(out))
        return out

    def _decode(self, query: torch.Tensor, keys: Bits, values: Bits, group: Group) -> torch.Tensor:
        assert group.lengths is not None
        spec = self._spec
        rows = query[group.row : group.row + group.count]
        out = torch.empty_like(rows)
        shape = (group.size, spec.kv_heads, spec.group, spec.head_dim)
        decode_attention(
            bits(rows).reshape(shape),
            keys,
            values,
            group.first,
            group.lengths.numpy(),
            group.shared,
            self._scale,
            min(group.size, -(-self._threads * _PARTS_PER_THREAD // spec.kv_heads)),
            self._heads,
            self._lanes,
            bits(out).reshape(shape),
        )
        return out.view(group.size, -1)

    def _float(self, weight: torch.Tensor | None) -> np.ndarray[Any, np.dtype[np.float32]]:
        """A norm's weight as the kernels want it, converted once."""
        if weight is None:
            return _NO_NORM
        if id(weight) not in self._weights:
            self._weights[id(weight)] = weight.float().numpy()
        return self._weights[id(weight)]


def bits(tensor: torch.Tensor) -> Bits:
    """A bfloat16 tensor's memory as uint16, without a copy."""
    array: Bits = tensor.view(torch.uint16).numpy()
    return array
