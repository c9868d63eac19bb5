"""A layer's operations by the compiled kernels."""

from typing import Any

import numba
import numpy as np
import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch, Group
from npc_engine.inference.model.jit.attention import LANES, decode_attention, soften
from npc_engine.inference.model.jit.layer import add_norm, gate, rotate_and_store
from npc_engine.inference.model.jit.rows import add_scaled, gated_levels, scaled, to_levels
from npc_engine.inference.model.kernels import fold, join, unfold
from npc_engine.inference.model.operations import HeadNorms, Levels, Rope
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.spec import ModelSpec

_PARTS_PER_THREAD = 3
_NOTHING = np.empty((0, 0), np.uint16)
_NO_EPS = np.float32(-1)
_NO_NORM = np.empty(0, np.float32)

Bits = np.ndarray[Any, np.dtype[np.uint16]]


class JitOperations:
    """bfloat16 on a CPU. See ``Operations``."""

    def __init__(self, spec: ModelSpec, rope: Rope) -> None:
        assert spec.head_dim % LANES == 0
        self._spec = spec
        self._eps = np.float32(spec.norm_eps)
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

    def attend(self, qkv: torch.Tensor, layer: HeadNorms, batch: Batch, slots: Slots, index: int) -> torch.Tensor:
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
        parts = [
            self._decode(query, key_bits, value_bits, group)
            if group.width == 1
            else self._prompt(query, keys, values, group)
            for group in batch.groups
        ]
        return join(parts)

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        """See Operations."""
        out = torch.empty(len(gate_up), gate_up.shape[1] // 2, dtype=gate_up.dtype)
        gate(bits(gate_up), bits(out))
        return out

    def levels(self, x: torch.Tensor, *, norm: bool) -> Levels:
        """See Operations."""
        levels, scale = torch.empty(x.shape, dtype=torch.uint8), torch.empty(len(x))
        to_levels(numbers(x), self._eps if norm else _NO_EPS, levels.numpy(), scale.numpy())
        return Levels(levels, scale)

    def gated_levels(self, product: torch.Tensor, scale: torch.Tensor, rotation: Rotation) -> Levels:
        """See Operations."""
        levels = torch.empty(len(product), product.shape[1] // 2, dtype=torch.uint8)
        gated_scale = torch.empty(len(product))
        gated_levels(product.numpy(), scale.numpy(), rotation.stride, levels.numpy(), gated_scale.numpy())
        return Levels(levels, gated_scale)

    def scaled(self, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """See Operations."""
        out = torch.empty(product.shape, dtype=torch.bfloat16)
        scaled(product.numpy(), scale.numpy(), self._float(bias), bits(out))
        return out

    def add_scaled(
        self, x: torch.Tensor, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> None:
        """See Operations."""
        add_scaled(x.numpy(), product.numpy(), scale.numpy(), self._float(bias))

    def _decode(self, query: torch.Tensor, keys: Bits, values: Bits, group: Group) -> torch.Tensor:
        spec = self._spec
        rows = query[group.row : group.row + group.count]
        out = torch.empty_like(rows)
        shape = (group.size, spec.kv_heads, spec.group, spec.head_dim)
        decode_attention(
            bits(rows).reshape(shape),
            keys,
            values,
            group.first,
            group.visible[:, 0].numpy(),
            group.shared,
            self._scale,
            min(group.size, -(-self._threads * _PARTS_PER_THREAD // spec.kv_heads)),
            self._heads,
            self._lanes,
            bits(out).reshape(shape),
        )
        return out.view(group.size, -1)

    def _prompt(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, group: Group) -> torch.Tensor:
        """Many queries a slot: the library's products, with one softmax in place between them.

        Scores of the shared keys are [kv_heads, size * queries, shared], so that one product serves all slots; those
        of a slot's own keys are [size * kv_heads, queries, own].
        """
        spec, shared = self._spec, group.shared
        folded = fold(query, group, spec.kv_heads)
        slots, own = slice(group.first, group.first + group.size), slice(shared, group.keys)
        own_keys, own_values = (store[slots, :, own].flatten(0, 1) for store in (keys, values))
        scores = torch.bmm(folded.flatten(0, 1), own_keys.transpose(1, 2))
        everyone = folded.transpose(0, 1).reshape(spec.kv_heads, -1, spec.head_dim)
        common = torch.bmm(everyone, keys[group.first, :, :shared].transpose(1, 2))
        soften(bits(common), bits(scores), group.visible.numpy() - shared, self._scale, group.fold)
        out = torch.bmm(scores, own_values).view_as(folded)
        if shared:
            theirs = torch.bmm(common, values[group.first, :, :shared])
            out += theirs.view(spec.kv_heads, group.size, -1, spec.head_dim).transpose(0, 1)
        return unfold(out, group)

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


def numbers(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """A tensor's memory without a copy: float32, or bfloat16 as its bits."""
    return bits(tensor) if tensor.dtype is torch.bfloat16 else tensor.numpy()
