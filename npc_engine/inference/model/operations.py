"""What a decoder layer of the Llama family does between its matrix products, as the runner asks for it."""

from typing import NamedTuple, Protocol

import torch
from torch.nn import functional

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch
from npc_engine.inference.model.eight_bit import LARGEST, SMALLEST, ZERO_POINT
from npc_engine.inference.model.kernels import Attention, attend
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.spec import ModelSpec


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


class HeadNorms(Protocol):
    """A layer's norms of queries and keys, [head_dim] each, where it has them."""

    @property
    def query_norm(self) -> torch.Tensor | None: ...

    @property
    def key_norm(self) -> torch.Tensor | None: ...


class Levels(NamedTuple):
    """Rows in eight bits: uint8 [rows, size] around ZERO_POINT, and what LARGEST of them stand for, float32 [rows]."""

    levels: torch.Tensor
    scale: torch.Tensor


class Operations(Protocol):
    """One model's operations on activations [rows, ...] of the model's dtype."""

    def add_norm(self, x: torch.Tensor, delta: torch.Tensor | None, weight: torch.Tensor) -> torch.Tensor:
        """Add ``delta`` to ``x`` [rows, hidden] in place, and return the sum's root-mean-square norm."""
        ...

    def attend(self, qkv: torch.Tensor, layer: HeadNorms, batch: Batch, slots: Slots, index: int) -> torch.Tensor:
        """Rotate queries and keys, store keys and values of layer ``index``, and attend.

        ``qkv`` [rows, (heads + 2 * kv_heads) * head_dim] -> [rows, heads * head_dim].
        """
        ...

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        """silu(left half) * right half of [rows, 2 * size]."""
        ...

    def levels(self, x: torch.Tensor, *, norm: bool) -> Levels:
        """``x`` [rows, size], float32 or the model's dtype, or its root-mean-square norm without weights."""
        ...

    def gated_levels(self, product: torch.Tensor, scale: torch.Tensor, rotation: Rotation) -> Levels:
        """``gate`` of float32 [rows, 2 * size] times the rows' ``scale``, rotated."""
        ...

    def scaled(self, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """float32 ``product`` times the rows' ``scale`` plus ``bias``, in the model's dtype."""
        ...

    def add_scaled(
        self, x: torch.Tensor, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> None:
        """Add the same to ``x`` float32 [rows, size] in place."""
        ...


class PlainOperations:
    """The library's kernels, on any device and in any dtype. See ``Operations``."""

    def __init__(self, spec: ModelSpec, attention: Attention, rope: Rope, dtype: torch.dtype) -> None:
        self._spec, self._attention = spec, attention
        self._eps, self._dtype = spec.norm_eps, dtype
        # sin carries the sign of the rotated half, so that turning is one roll and two products.
        self._cos = torch.cat((rope.cos, rope.cos), dim=-1).to(dtype).unsqueeze(1)
        self._sin = torch.cat((-rope.sin, rope.sin), dim=-1).to(dtype).unsqueeze(1)

    def add_norm(self, x: torch.Tensor, delta: torch.Tensor | None, weight: torch.Tensor) -> torch.Tensor:
        """See Operations."""
        if delta is not None:
            x += delta
        return self._norm(x, weight)

    def attend(self, qkv: torch.Tensor, layer: HeadNorms, batch: Batch, slots: Slots, index: int) -> torch.Tensor:
        """See Operations."""
        spec = self._spec
        heads = qkv.view(len(qkv), -1, spec.head_dim)
        turned, value = heads[:, : -spec.kv_heads], heads[:, -spec.kv_heads :]
        if layer.query_norm is not None and layer.key_norm is not None:
            query, key = torch.split(turned, [spec.heads, spec.kv_heads], dim=1)
            turned = torch.cat((self._norm(query, layer.query_norm), self._norm(key, layer.key_norm)), dim=1)
        cos, sin = self._cos[batch.positions], self._sin[batch.positions]
        turned = torch.addcmul(turned * cos, turned.roll(spec.head_dim // 2, -1), sin)
        keys, values = slots.keys[index], slots.values[index]
        keys[batch.slots, :, batch.positions] = turned[:, spec.heads :]
        values[batch.slots, :, batch.positions] = value
        return attend(self._attention, turned[:, : spec.heads], keys, values, batch.groups, spec.head_dim**-0.5)

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        """See Operations."""
        gate, up = gate_up.chunk(2, dim=-1)
        return functional.silu(gate).mul_(up)

    def levels(self, x: torch.Tensor, *, norm: bool) -> Levels:
        """See Operations."""
        x = x.float()
        largest = x.abs().amax(dim=-1, keepdim=True).clamp_(min=SMALLEST)
        # Cutting off after adding a half rounds, and one pass adds, scales and divides.
        levels = torch.addcdiv(_MIDDLE, x, largest, value=LARGEST).to(torch.uint8)
        if norm:
            # Norming a row is multiplying it, and a row's scale can do that.
            largest *= (x * x).mean(dim=-1, keepdim=True).add_(self._eps).rsqrt_()
        return Levels(levels, largest.squeeze(-1))

    def gated_levels(self, product: torch.Tensor, scale: torch.Tensor, rotation: Rotation) -> Levels:
        """See Operations."""
        return self.levels(rotation(self.gate(product.mul_(scale[:, None]))), norm=False)

    def scaled(self, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """See Operations."""
        product.mul_(scale[:, None])
        return (product if bias is None else product.add_(bias)).to(self._dtype)

    def add_scaled(
        self, x: torch.Tensor, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> None:
        """See Operations."""
        x.addcmul_(product, scale[:, None])
        if bias is not None:
            x += bias

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, weight.shape, weight, self._eps)


_MIDDLE = torch.tensor(ZERO_POINT + 0.5)
