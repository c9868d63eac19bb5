"""What a decoder layer of the Llama family does between its first two matrix products."""

from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch.nn import functional

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch
from npc_engine.inference.model.kernels import Attention, attend
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import HeadNorms


class Rope(NamedTuple):
    """Rotary tables, float32 [positions, head_dim / 2] each (Su et al., arXiv 2104.09864)."""

    cos: torch.Tensor
    sin: torch.Tensor

    @staticmethod
    def of(spec: ModelSpec, positions: int, device: torch.device) -> "Rope":
        """The tables for ``positions`` tokens of a model."""
        rope = spec.config.get("rope_parameters") or {}
        theta = float(rope.get("rope_theta") or spec.config.get("rope_theta") or 10_000.0)
        inverse = 1.0 / theta ** (torch.arange(0, spec.head_dim, 2, dtype=torch.float32) / spec.head_dim)
        angles = torch.arange(positions, dtype=torch.float32)[:, None] * inverse
        return Rope(angles.cos().to(device), angles.sin().to(device))


class Operations(Protocol):
    """One model's operations on activations [rows, ...] of the model's dtype."""

    def attention(self, batch: Batch, slots: Slots) -> "LayerAttention":
        """Attention of ``batch``, for one layer after the other."""
        ...


class LayerAttention(Protocol):
    """What attention of one batch does in each layer."""

    def __call__(self, qkv: torch.Tensor, norms: HeadNorms | None, index: int) -> torch.Tensor:
        """Rotate queries and keys, store keys and values of layer ``index``, and attend.

        ``norms`` come before rotating, for a model that has some.
        ``qkv`` [rows, (heads + 2 * kv_heads) * head_dim] -> [rows, heads * head_dim], until the next layer attends.
        """
        ...


class PlainOperations:
    """The library's kernels, on any device and in any dtype. See ``Operations``."""

    def __init__(self, spec: ModelSpec, attention: Attention, rope: Rope, dtype: torch.dtype) -> None:
        self._spec, self._attention = spec, attention
        self._eps = spec.norm_eps
        # sin carries the sign of the rotated half, so that turning is one roll and two products.
        self._cos = torch.cat((rope.cos, rope.cos), dim=-1).to(dtype).unsqueeze(1)
        self._sin = torch.cat((-rope.sin, rope.sin), dim=-1).to(dtype).unsqueeze(1)

    def attention(self, batch: Batch, slots: Slots) -> LayerAttention:
        """See Operations."""
        return partial(self._attend, batch, slots, self._cos[batch.positions], self._sin[batch.positions])

    def _attend(
        self,
        batch: Batch,
        slots: Slots,
        cos: torch.Tensor,
        sin: torch.Tensor,
        qkv: torch.Tensor,
        norms: HeadNorms | None,
        index: int,
    ) -> torch.Tensor:
        spec = self._spec
        heads = qkv.view(len(qkv), -1, spec.head_dim)
        turned, value = heads[:, : -spec.kv_heads], heads[:, -spec.kv_heads :]
        if norms is not None:
            query, key = torch.split(turned, [spec.heads, spec.kv_heads], dim=1)
            turned = torch.cat((self._norm(query, norms.query), self._norm(key, norms.key)), dim=1)
        turned = torch.addcmul(turned * cos, turned.roll(spec.head_dim // 2, -1), sin)
        keys, values = slots.layer(index)
        keys[batch.slots, :, batch.positions] = turned[:, spec.heads :]
        values[batch.slots, :, batch.positions] = value
        return attend(self._attention, turned[:, : spec.heads], keys, values, batch.groups, spec.head_dim**-0.5)

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, weight.shape, weight, self._eps)
