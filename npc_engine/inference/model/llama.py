"""The fused path for the Llama-shaped family: Llama, SmolLM, Mistral, Qwen2, Qwen3.

At one row, a third of a library's forward is matrix products; the rest is modules calling modules. This one calls a
dozen kernels a layer over fused weights, and computes logits only for rows that sample.
"""

import torch
from torch.nn import functional

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch
from npc_engine.inference.model.kernels import AttentionKernel, attend
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import WeightSource

_FAMILY = frozenset({"llama", "mistral", "qwen2", "qwen3"})


def is_llama_shaped(spec: ModelSpec) -> bool:
    """Whether this path computes exactly what the model's own code would: no window, no unusual rope or activation."""
    config = spec.config
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    windowed = config.get("sliding_window") and config.get("use_sliding_window", spec.model_type == "mistral")
    return (
        spec.model_type in _FAMILY
        and rope.get("rope_type", rope.get("type", "default")) == "default"
        and rope.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0)) == 1.0
        and config.get("hidden_act") == "silu"
        and not config.get("mlp_bias")
        and not windowed
        and not config.get("quantization_config")
    )


class LlamaRunner:
    """Runs batches through a ``WeightSource``. See ``Runner``."""

    def __init__(
        self,
        spec: ModelSpec,
        weights: WeightSource,
        *,
        dtype: torch.dtype,
        device: torch.device,
        attention: AttentionKernel,
        max_positions: int,
    ) -> None:
        self.spec, self.dtype, self.device = spec, dtype, device
        self._weights, self._attention = weights, attention
        self._eps = spec.norm_eps
        self._cos, self._sin = _rope_tables(spec, max_positions, dtype, device)

    @torch.inference_mode()
    def forward(self, batch: Batch, slots: Slots) -> torch.Tensor:
        """See Runner."""
        spec = self.spec
        route = self._weights.route(len(batch.token_ids))
        stream = route.embed(batch.token_ids)  # [rows, hidden]
        cos, sin = self._cos[batch.positions], self._sin[batch.positions]  # [rows, 1, head_dim]
        for index in range(spec.layers):
            layer = route.layer(index)
            qkv = layer.qkv(stream)
            query, key, value = self._heads(qkv, layer.query_norm, layer.key_norm, cos, sin)
            slots.keys[index][batch.slots, :, batch.positions] = key
            slots.values[index][batch.slots, :, batch.positions] = value
            mixed = attend(
                self._attention,
                query,
                slots.keys[index],
                slots.values[index],
                batch.groups,
                spec.head_dim**-0.5,
            )
            stream = layer.out.add_to(stream, mixed)
            gate, up = layer.gate_up(stream).chunk(2, dim=-1)
            stream = layer.down.add_to(stream, functional.silu(gate).mul_(up))
        return route.logits(stream[batch.sample_rows]).float()

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.rms_norm(x, weight.shape, weight, self._eps)

    def _heads(
        self,
        qkv: torch.Tensor,
        query_norm: torch.Tensor | None,
        key_norm: torch.Tensor | None,
        cos: torch.Tensor,
        sin: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Split [rows, (heads + 2 * kv_heads) * head_dim] into rotated query and key and plain value, by head."""
        spec = self.spec
        heads = qkv.view(len(qkv), -1, spec.head_dim)
        turned, value = heads[:, : -spec.kv_heads], heads[:, -spec.kv_heads :]
        if query_norm is not None and key_norm is not None:
            query, key = torch.split(turned, [spec.heads, spec.kv_heads], dim=1)
            turned = torch.cat((self._norm(query, query_norm), self._norm(key, key_norm)), dim=1)
        # sin carries the sign of the rotated half, so that turning is one roll and two products.
        turned = torch.addcmul(turned * cos, turned.roll(spec.head_dim // 2, -1), sin)
        return turned[:, : spec.heads], turned[:, spec.heads :], value


def _rope_tables(
    spec: ModelSpec, max_positions: int, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and signed sin, each [positions, 1, head_dim]. Rotary embedding: Su et al., arXiv 2104.09864."""
    rope = spec.config.get("rope_parameters") or {}
    theta = float(rope.get("rope_theta") or spec.config.get("rope_theta") or 10_000.0)
    inverse = 1.0 / theta ** (torch.arange(0, spec.head_dim, 2, dtype=torch.float32) / spec.head_dim)
    angles = torch.arange(max_positions, dtype=torch.float32)[:, None] * inverse
    sin = torch.cat((-angles.sin(), angles.sin()), dim=-1)
    cos = torch.cat((angles.cos(), angles.cos()), dim=-1)
    return cos.to(device, dtype).unsqueeze(1), sin.to(device, dtype).unsqueeze(1)
