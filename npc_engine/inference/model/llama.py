"""The fused path for the Llama-shaped family: Llama, SmolLM, Mistral, Qwen2, Qwen3.

At one row, a third of a library's forward is matrix products; the rest is modules calling modules. This one calls a
handful of kernels a layer over fused weights, and computes logits only for rows that sample.
"""

import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch
from npc_engine.inference.model.operations import Operations
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
        operations: Operations,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.spec, self.dtype, self.device = spec, dtype, device
        self._weights, self._operations = weights, operations

    @torch.inference_mode()
    def forward(self, batch: Batch, slots: Slots) -> torch.Tensor:
        """See Runner."""
        attend, route = self._operations.attention(batch, slots), self._weights.route(len(batch.token_ids))
        stream = route.embed(batch.token_ids)  # [rows, hidden]
        for index in range(self.spec.layers):
            layer = route.layer(index)
            mixed = attend(layer.qkv(stream), layer.head_norms, index)
            stream = layer.out.add_to(stream, mixed)
            stream = layer.down.add_to(stream, layer.gate_up(stream))
        return route.logits(stream[batch.sample_rows]).float()
