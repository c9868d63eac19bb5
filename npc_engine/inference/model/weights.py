"""Where a layer's weights come from.

The runner asks a ``WeightSource`` for layer i and never holds the whole model itself, so that a model larger than the
memory can stream through the same code.
"""

import json
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from safetensors import SafetensorError, safe_open

from npc_engine.errors import OperatorError
from npc_engine.inference.model.kernels import Linear, MakeLinear
from npc_engine.inference.model.spec import ModelSpec


class Layer(NamedTuple):
    """One decoder layer, with q/k/v and gate/up fused. Norm weights are [hidden] or [head_dim]."""

    input_norm: torch.Tensor
    qkv: Linear
    query_norm: torch.Tensor | None
    key_norm: torch.Tensor | None
    out: Linear
    post_norm: torch.Tensor
    gate_up: Linear
    down: Linear


class WeightSource(Protocol):
    """Weights on demand. ``layer`` may load, so ask for layers in order."""

    embedding: torch.Tensor
    final_norm: torch.Tensor
    head: Linear

    def layer(self, index: int) -> Layer:
        """Layer ``index``'s weights, valid until another layer is asked for."""
        ...


class TensorFiles:
    """The tensors of a folder's safetensors files by name, read when asked for and cast to ``dtype``."""

    def __init__(self, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype, self._device, self._folder = dtype, device, folder
        index = folder / "model.safetensors.index.json"
        try:
            if index.is_file():
                names = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
                files = {name: safe_open(folder / name, framework="pt") for name in set(names.values())}
                self._where = {tensor: files[name] for tensor, name in names.items()}
            else:
                file = safe_open(folder / "model.safetensors", framework="pt")
                self._where = dict.fromkeys(file.keys(), file)  # type: ignore[no-untyped-call]
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise OperatorError(
                f"The model's weights in {folder} can't be read: {error}.",
                remedy="Delete that folder and start again, so that the model is fetched anew.",
            ) from error

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self._where:
            raise OperatorError(f"The model in {self._folder} has no tensor {name}.", remedy="Fetch the model anew.")
        tensor: torch.Tensor = self._where[name].get_tensor(name)  # type: ignore[no-untyped-call]
        # Always a copy: a view would keep the whole file mapped, and its pages resident, beside the packed weights.
        return tensor.to(self._device, self._dtype, copy=True)

    def find(self, name: str) -> torch.Tensor | None:
        """The tensor, or None where the model has none of that name."""
        if name not in self:
            return None
        return self[name]


class ResidentWeights:
    """All layers in memory, converted once into what the chosen linear kernel wants."""

    def __init__(self, spec: ModelSpec, dtype: torch.dtype, device: torch.device, make_linear: MakeLinear) -> None:
        files = TensorFiles(spec.folder, dtype, device)
        self.embedding = files["model.embed_tokens.weight"]
        self.final_norm = files["model.norm.weight"]
        tied = "lm_head.weight" not in files
        self.head = make_linear(self.embedding if tied else files["lm_head.weight"], None)
        self._layers = [_read_layer(files, i, make_linear) for i in range(spec.layers)]

    def layer(self, index: int) -> Layer:
        """See WeightSource."""
        return self._layers[index]


def _read_layer(files: TensorFiles, index: int, make_linear: MakeLinear) -> Layer:
    prefix = f"model.layers.{index}."

    def fused(*names: str) -> Linear:
        weight = torch.cat([files[f"{prefix}{name}.weight"] for name in names])
        biases = [files.find(f"{prefix}{name}.bias") for name in names]
        present = [bias for bias in biases if bias is not None]
        if present and len(present) < len(names):
            raise OperatorError(
                f"The model has biases for some of {', '.join(names)} and not for others.",
                remedy="Its files are incomplete: fetch the model anew.",
            )
        return make_linear(weight, torch.cat(present) if present else None)

    return Layer(
        input_norm=files[prefix + "input_layernorm.weight"],
        qkv=fused("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        query_norm=files.find(prefix + "self_attn.q_norm.weight"),
        key_norm=files.find(prefix + "self_attn.k_norm.weight"),
        out=fused("self_attn.o_proj"),
        post_norm=files[prefix + "post_attention_layernorm.weight"],
        gate_up=fused("mlp.gate_proj", "mlp.up_proj"),
        down=fused("mlp.down_proj"),
    )
