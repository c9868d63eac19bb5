"""Every other decoder: the library's own model, with our attention over our slots.

transformers lets an attention function be registered by name and hands it the layer, the rotated query and key, and
any extra keyword arguments of ``forward``. So a packed batch goes through as one row, and each layer's attention call
finds the batch and the slots in its arguments.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, AutoModelForCausalLM

from npc_engine.errors import OperatorError
from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch
from npc_engine.inference.model.kernels import Attention, attend
from npc_engine.inference.model.spec import ModelSpec

_NAME = "npc_engine_slots"
_WITH_SINKS = frozenset({"gpt_oss"})


class LibraryRunner:
    """Runs batches through a transformers model. See ``Runner``."""

    def __init__(self, spec: ModelSpec, *, dtype: torch.dtype, device: torch.device, attention: Attention) -> None:
        self.spec, self.dtype, self.device = spec, dtype, device
        self._attention = attention
        _refuse_unknown_attention(spec)
        AttentionInterface.register(_NAME, _attention_over_slots)
        AttentionMaskInterface.register(_NAME, _no_mask)
        try:
            model = AutoModelForCausalLM.from_pretrained(
                spec.folder, dtype=dtype, attn_implementation=_NAME, local_files_only=True
            )
        except (OSError, ValueError, ImportError) as error:
            raise OperatorError(
                f"transformers can't load the model in {spec.folder}: {error}.",
                remedy="Use a causal language model that this version of transformers knows.",
            ) from error
        self._model: Callable[..., Any] = model.eval().to(device)

    @torch.inference_mode()
    def forward(self, batch: Batch, slots: Slots) -> torch.Tensor:
        """See Runner."""
        out = self._model(
            input_ids=batch.token_ids[None],
            position_ids=batch.positions[None],
            use_cache=False,
            logits_to_keep=batch.sample_rows,
            npc_batch=batch,
            npc_slots=slots,
            npc_attention=self._attention,
        )
        logits: torch.Tensor = out.logits[0]
        return logits.float()


def _refuse_unknown_attention(spec: ModelSpec) -> None:
    """Raise OperatorError for attention that ours would silently compute wrong: capped scores and learnt sinks."""
    capped = spec.config.get("attn_logit_softcapping")
    if capped or spec.model_type in _WITH_SINKS:
        raise OperatorError(
            f"Models of the kind {spec.model_type} attend in a way that this engine does not compute yet"
            f" ({'capped scores' if capped else 'attention sinks'}).",
            remedy="Use another model, such as one of the Llama, Qwen, Mistral or Gemma 3 families.",
        )


def _attention_over_slots(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    *,
    npc_batch: Batch,
    npc_slots: Slots,
    npc_attention: Attention,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """``query`` [1, heads, rows, head_dim], ``key`` and ``value`` alike with kv_heads -> [1, rows, heads, head_dim]."""
    layer = module.layer_idx
    if sliding_window is not None:
        npc_batch = npc_batch.within(sliding_window)
    keys, values = npc_slots.layer(layer)
    keys[npc_batch.slots, :, npc_batch.positions] = key[0].transpose(0, 1)
    values[npc_batch.slots, :, npc_batch.positions] = value[0].transpose(0, 1)
    heads = query[0].transpose(0, 1)  # [rows, heads, head_dim]
    scale = scaling if scaling is not None else heads.shape[-1] ** -0.5
    mixed = attend(npc_attention, heads, keys, values, npc_batch.groups, scale)
    return mixed.view(1, len(heads), *heads.shape[1:]), None


def _no_mask(*_: object, **__: object) -> None:
    """Our groups carry their masks."""
