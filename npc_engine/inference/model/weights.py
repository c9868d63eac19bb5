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
from npc_engine.inference.model.linears import Gated, GatedLinear, Linear, MakeLinear, NormedLinear
from npc_engine.inference.model.rows import Rows
from npc_engine.inference.model.spec import ModelSpec


class HeadNorms(NamedTuple):
    """Weights [head_dim] of norms over each query's and each key's head."""

    query: torch.Tensor
    key: torch.Tensor


class Layer(NamedTuple):
    """One decoder layer, with q/k/v and gate/up fused, each with the norm before it."""

    qkv: Linear
    head_norms: HeadNorms | None
    out: Linear
    gate_up: Gated
    down: Linear


class Route(Protocol):
    """One way through all weights, from token ids to logits. ``layer`` may load, so ask for layers in order.

    The residual stream between them, [rows, hidden], is in the basis and the dtype that this route prefers.
    """

    def embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        """The stream of int64 ``token_ids`` [rows]; it may be overwritten."""
        ...

    def layer(self, index: int) -> Layer:
        """Layer ``index``'s weights, valid until another layer is asked for."""
        ...

    def logits(self, stream: torch.Tensor) -> torch.Tensor:
        """[rows, vocab] of rows of the stream behind the last layer."""
        ...


class WeightSource(Protocol):
    """A model's weights, on demand."""

    def route(self, rows: int) -> Route:
        """The way that suits a step of so many rows."""
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


class LayerTensors(NamedTuple):
    """The tensors of one layer, those fused that read the same input. Weights are [out, in]."""

    input_norm: torch.Tensor
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    head_norms: HeadNorms | None
    out: torch.Tensor
    out_bias: torch.Tensor | None
    post_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class ResidentWeights:
    """All layers in memory, converted once into what the chosen linear kernel wants."""

    def __init__(
        self, spec: ModelSpec, dtype: torch.dtype, device: torch.device, make_linear: MakeLinear, rows: Rows
    ) -> None:
        files = TensorFiles(spec.folder, dtype, device)
        self.embedding = files["model.embed_tokens.weight"]  # [vocab, hidden]
        head = files.find("lm_head.weight")
        linear = make_linear(self.embedding if head is None else head, None)
        self._head = NormedLinear(files["model.norm.weight"], spec.norm_eps, linear, rows)
        self._layers = [_layer(read_layer(files, i), spec.norm_eps, make_linear, rows) for i in range(spec.layers)]

    def route(self, rows: int) -> Route:  # noqa: ARG002
        """See WeightSource: the same for all."""
        return self

    def embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        """See Route."""
        return self.embedding[token_ids]

    def layer(self, index: int) -> Layer:
        """See Route."""
        return self._layers[index]

    def logits(self, stream: torch.Tensor) -> torch.Tensor:
        """See Route."""
        return self._head(stream)


def read_layer(files: TensorFiles, index: int) -> LayerTensors:
    """Layer ``index`` of a Llama-shaped model."""
    prefix = f"model.layers.{index}."

    def fused(*names: str) -> tuple[torch.Tensor, torch.Tensor | None]:
        weight = torch.cat([files[f"{prefix}{name}.weight"] for name in names])
        biases = [files.find(f"{prefix}{name}.bias") for name in names]
        present = [bias for bias in biases if bias is not None]
        if present and len(present) < len(names):
            raise OperatorError(
                f"The model has biases for some of {', '.join(names)} and not for others.",
                remedy="Its files are incomplete: fetch the model anew.",
            )
        return weight, torch.cat(present) if present else None

    qkv, qkv_bias = fused("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    out, out_bias = fused("self_attn.o_proj")
    query, key = files.find(prefix + "self_attn.q_norm.weight"), files.find(prefix + "self_attn.k_norm.weight")
    return LayerTensors(
        input_norm=files[prefix + "input_layernorm.weight"],
        qkv=qkv,
        qkv_bias=qkv_bias,
        head_norms=None if query is None or key is None else HeadNorms(query, key),
        out=out,
        out_bias=out_bias,
        post_norm=files[prefix + "post_attention_layernorm.weight"],
        gate_up=fused("mlp.gate_proj", "mlp.up_proj")[0],
        down=files[prefix + "mlp.down_proj.weight"],
    )


def _layer(read: LayerTensors, eps: float, make_linear: MakeLinear, rows: Rows) -> Layer:
    return Layer(
        qkv=NormedLinear(read.input_norm, eps, make_linear(read.qkv, read.qkv_bias), rows),
        head_norms=read.head_norms,
        out=make_linear(read.out, read.out_bias),
        gate_up=GatedLinear(NormedLinear(read.post_norm, eps, make_linear(read.gate_up, None), rows), rows),
        down=make_linear(read.down, None),
    )
