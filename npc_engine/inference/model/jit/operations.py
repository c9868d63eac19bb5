"""A layer's operations by the compiled kernels."""

from functools import partial

import numpy as np
import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch
from npc_engine.inference.model.jit.arrays import NONE, Converted, bits, numbers, use_threads
from npc_engine.inference.model.jit.decoding import DecodeGroup, DecodeKernels
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.layer import rotate_and_store
from npc_engine.inference.model.jit.prompts import PromptAttention, Steps
from npc_engine.inference.model.jit.rows import add_scaled, gate, norm, scaled, to_levels
from npc_engine.inference.model.kernels import join
from npc_engine.inference.model.operations import LayerAttention, Rope
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.rows import PlainRows
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import HeadNorms


class JitOperations:
    """bfloat16 on a CPU. See ``Operations``.

    With ``steps``, the unit for matrices attends to keys that a batch shares; see ``unit_steps``.
    """

    def __init__(self, spec: ModelSpec, rope: Rope, prompts: PromptAttention, steps: Steps | None) -> None:
        assert spec.head_dim % LANES == 0
        self._spec = spec
        self._eps = np.float32(spec.norm_eps)
        self._cos, self._sin = rope.cos.numpy(), rope.sin.numpy()
        self._decode = DecodeKernels(spec, steps)
        self._prompts = prompts
        self._converted = Converted()

    def attention(self, batch: Batch, slots: Slots) -> LayerAttention:
        """See Operations."""
        return partial(self._attend, _Arrays(self._spec, batch), slots)

    def _attend(
        self, arrays: "_Arrays", slots: Slots, qkv: torch.Tensor, norms: HeadNorms | None, index: int
    ) -> torch.Tensor:
        use_threads()
        keys, values = slots.layer(index)
        key_bits, value_bits = bits(keys), bits(values)
        rotate_and_store(
            bits(qkv).reshape(len(arrays.query_bits), -1, self._spec.head_dim),
            self._cos,
            self._sin,
            arrays.slots,
            arrays.positions,
            NONE if norms is None else self._converted(norms.query),
            NONE if norms is None else self._converted(norms.key),
            self._eps,
            key_bits,
            value_bits,
            arrays.query_bits,
        )
        parts = [
            self._decode(group, key_bits, value_bits)
            if isinstance(group, DecodeGroup)
            else self._prompts(arrays.query, keys, values, group)
            for group in arrays.groups
        ]
        return join(parts)


class _Arrays:
    """What all layers have in common of a batch, as the kernels take it.

    In a step of few rows, to make an array of a tensor takes as long as to compute with it.
    """

    def __init__(self, spec: ModelSpec, batch: Batch) -> None:
        self.slots, self.positions = batch.slots.numpy(), batch.positions.numpy()
        self.query = torch.empty(len(self.slots), spec.heads, spec.head_dim, dtype=torch.bfloat16)
        self.query_bits = bits(self.query)
        self.groups = [
            DecodeGroup(spec, group, self.query_bits) if group.width == 1 else group for group in batch.groups
        ]


class JitRows:
    """Rows of bfloat16 and float32 on a CPU. See ``Rows``."""

    def __init__(self) -> None:
        self._converted = Converted()

    def norm(self, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        """See Rows."""
        use_threads()
        out = torch.empty_like(x)
        norm(bits(x), self._converted(weight), np.float32(eps), bits(out))
        return out

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        """See Rows."""
        use_threads()
        out = torch.empty(len(gate_up), gate_up.shape[1] // 2, dtype=gate_up.dtype)
        gate(bits(gate_up), bits(out))
        return out

    def levels(
        self, x: torch.Tensor, eps: float | None, rotation: Rotation | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See Rows."""
        use_threads()
        levels, scale = torch.empty(x.shape, dtype=torch.uint8), torch.empty(len(x))
        stride = x.shape[1] if rotation is None else rotation.stride
        to_levels(numbers(x), np.float32(-1.0 if eps is None else eps), stride, levels.numpy(), scale.numpy())
        return levels, scale

    def scaled(
        self, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype
    ) -> torch.Tensor:
        """See Rows."""
        if dtype is not torch.bfloat16:
            return PlainRows().scaled(product, scale, bias, dtype)
        use_threads()
        out = torch.empty(product.shape, dtype=dtype)
        scaled(product.numpy(), scale.numpy(), NONE if bias is None else bias.numpy(), bits(out))
        return out

    def add_scaled(
        self, stream: torch.Tensor, product: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """See Rows."""
        use_threads()
        add_scaled(stream.numpy(), product.numpy(), scale.numpy(), NONE if bias is None else bias.numpy())
        return stream
