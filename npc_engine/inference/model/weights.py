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
from npc_engine.inference.model.linears import Linear, MakeLinear
from npc_engine.inference.model.operations import Operations
from npc_engine.inference.model.spec import ModelSpec


class Layer(Protocol):
    """One decoder layer, around its attention. Head norms are [head_dim]."""

    @property
    def query_norm(self) -> torch.Tensor | None: ...

    @property
    def key_norm(self) -> torch.Tensor | None: ...

    def before(self, x: torch.Tensor, operations: Operations) -> torch.Tensor:
        """What attention reads: [rows, (heads + 2 * kv_heads) * head_dim] of the residual stream ``x``."""
        ...

    def after(self, x: torch.Tensor, attended: torch.Tensor, operations: Operations) -> None:
        """Add to ``x`` what attention and the feed-forward network have to say."""
        ...


class Route(Protocol):
    """One way through all weights, from token ids to logits. ``layer`` may load, so ask for layers in order.

    The residual stream between them, [rows, hidden], is in the basis and the dtype that this route prefers.
    """

    def embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        """The stream of int64 ``token_ids`` [rows], to be changed."""
        ...

    def layer(self, index: int) -> Layer:
        """Layer ``index``'s weights, valid until another layer is asked for."""
        ...

    def logits(self, x: torch.Tensor, operations: Operations) -> torch.Tensor:
        """float32 [rows, vocab] of rows of the stream behind the last layer."""
        ...


class WeightSource(Protocol):
    """A model's weights, on demand."""

    def route(self, rows: int) -> Route:
        """The way that suits a step of so many rows."""
        ...


class FusedLayer(NamedTuple):
    """A layer of linears, with q/k/v and gate/up fused. Norm weights are [hidden] or [head_dim]. See Layer."""

    input_norm: torch.Tensor
    qkv: Linear
    query_norm: torch.Tensor | None
    key_norm: torch.Tensor | None
    out: Linear
    post_norm: torch.Tensor
    gate_up: Linear
    down: Linear

    def before(self, x: torch.Tensor, operations: Operations) -> torch.Tensor:
        return self.qkv(operations.add_norm(x, None, self.input_norm))

    def after(self, x: torch.Tensor, attended: torch.Tensor, operations: Operations) -> None:
        gate_up = self.gate_up(operations.add_norm(x, self.out(attended), self.post_norm))
        x += self.down(operations.gate(gate_up))


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
    query_norm: torch.Tensor | None
    key_norm: torch.Tensor | None
    out: torch.Tensor
    out_bias: torch.Tensor | None
    post_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class ResidentWeights:
    """All layers in memory, converted once into what the chosen linear kernel wants."""

    def __init__(self, spec: ModelSpec, dtype: torch.dtype, device: torch.device, make_linear: MakeLinear) -> None:
        files = TensorFiles(spec.folder, dtype, device)
        self._embedding = files["model.embed_tokens.weight"]
        self._final_norm = files["model.norm.weight"]
        head = files.find("lm_head.weight")
        self._head = make_linear(self._embedding if head is None else head, None)
        self._layers = [fused_layer(read_layer(files, i), make_linear) for i in range(spec.layers)]

    def route(self, rows: int) -> Route:  # noqa: ARG002
        """See WeightSource: the same for all."""
        return self

    def embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        """See Route."""
        return self._embedding[token_ids]

    def layer(self, index: int) -> Layer:
        """See Route."""
        return self._layers[index]

    def logits(self, x: torch.Tensor, operations: Operations) -> torch.Tensor:
        """See Route."""
        return self._head(operations.add_norm(x, None, self._final_norm)).float()


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
    return LayerTensors(
        input_norm=files[prefix + "input_layernorm.weight"],
        qkv=qkv,
        qkv_bias=qkv_bias,
        query_norm=files.find(prefix + "self_attn.q_norm.weight"),
        key_norm=files.find(prefix + "self_attn.k_norm.weight"),
        out=out,
        out_bias=out_bias,
        post_norm=files[prefix + "post_attention_layernorm.weight"],
        gate_up=fused("mlp.gate_proj", "mlp.up_proj")[0],
        down=files[prefix + "mlp.down_proj.weight"],
    )


def fused_layer(read: LayerTensors, make_linear: MakeLinear) -> FusedLayer:
    """A layer whose linears are of one kind."""
    return FusedLayer(
        input_norm=read.input_norm,
        qkv=make_linear(read.qkv, read.qkv_bias),
        query_norm=read.query_norm,
        key_norm=read.key_norm,
        out=make_linear(read.out, read.out_bias),
        post_norm=read.post_norm,
        gate_up=make_linear(read.gate_up, None),
        down=make_linear(read.down, None),
    )
