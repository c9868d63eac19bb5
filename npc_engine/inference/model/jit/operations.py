"""A layer's operations by the compiled kernels."""

import numpy as np
import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch, Group
from npc_engine.inference.model.jit.arrays import NONE, Bits, Converted, Floats, bits, numbers, threads, use_threads
from npc_engine.inference.model.jit.decode_attention import BESIDE_SUMS, decode_attention, shared_attention
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.layer import rotate_and_store
from npc_engine.inference.model.jit.prompts import PromptAttention, Steps
from npc_engine.inference.model.jit.rows import add_scaled, gate, norm, scaled, to_levels
from npc_engine.inference.model.jit.unit_attention import shared_unit_attention
from npc_engine.inference.model.kernels import join
from npc_engine.inference.model.operations import Rope
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.rows import PlainRows
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import HeadNorms

_PARTS_PER_THREAD = 3
_NOTHING_SHARED: Floats = np.empty((0, 0, 0, 0), np.float32)


class JitOperations:
    """bfloat16 on a CPU. See ``Operations``.

    With ``steps``, the unit for matrices attends to keys that a batch shares; see ``unit_steps``.
    """

    def __init__(self, spec: ModelSpec, rope: Rope, prompts: PromptAttention, steps: Steps | None) -> None:
        assert spec.head_dim % LANES == 0
        self._spec = spec
        self._eps = np.float32(spec.norm_eps)
        self._scale = np.float32(spec.head_dim**-0.5)
        self._cos, self._sin = rope.cos.numpy(), rope.sin.numpy()
        self._heads = (np.float32(0),) * spec.group
        self._lanes = (0,) * (spec.head_dim // LANES)
        self._threads = threads()
        self._steps = steps
        self._prompts = prompts
        self._converted = Converted()

    def attend(
        self, qkv: torch.Tensor, norms: HeadNorms | None, batch: Batch, slots: Slots, index: int
    ) -> torch.Tensor:
        """See Operations."""
        spec = self._spec
        use_threads()
        query = torch.empty(len(qkv), spec.heads, spec.head_dim, dtype=qkv.dtype)
        keys, values = slots.layer(index)
        key_bits, value_bits = bits(keys), bits(values)
        rotate_and_store(
            bits(qkv).reshape(len(qkv), -1, spec.head_dim),
            self._cos,
            self._sin,
            batch.slots.numpy(),
            batch.positions.numpy(),
            NONE if norms is None else self._converted(norms.query),
            NONE if norms is None else self._converted(norms.key),
            self._eps,
            key_bits,
            value_bits,
            bits(query),
        )
        parts = [
            self._decode(query, key_bits, value_bits, group)
            if group.width == 1
            else self._prompts(query, keys, values, group)
            for group in batch.groups
        ]
        return join(parts)

    def _decode(self, query: torch.Tensor, keys: Bits, values: Bits, group: Group) -> torch.Tensor:
        spec = self._spec
        rows = query[group.row : group.row + group.count]
        out = torch.empty_like(rows)
        shape = (group.size, spec.kv_heads, spec.group, spec.head_dim)
        folded = bits(rows).reshape(shape)
        decode_attention(
            folded,
            keys,
            values,
            group.first,
            group.visible[:, 0].numpy(),
            group.shared,
            self._shared(folded, keys, values, group) if group.shared else _NOTHING_SHARED,
            self._scale,
            self._parts(group.size),
            self._heads,
            self._lanes,
            bits(out).reshape(shape),
        )
        return out.view(group.size, -1)

    def _shared(self, folded: Bits, keys: Bits, values: Bits, group: Group) -> Floats:
        """Attention to the keys that all slots of a group share, as ``decode_attention`` merges it."""
        spec = self._spec
        common: Floats = np.empty((group.size, spec.kv_heads, spec.group, spec.head_dim + BESIDE_SUMS), np.float32)
        where = folded, keys, values, group.first, group.shared, self._scale, self._parts(group.size)
        if self._steps is None:
            shared_attention(*where, self._heads, self._lanes, common)
        else:
            shared_unit_attention(*where, self._steps, common)
        return common

    def _parts(self, slots: int) -> int:
        """Among how many the work on each KV head is shared out."""
        return min(slots, -(-self._threads * _PARTS_PER_THREAD // self._spec.kv_heads))


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
