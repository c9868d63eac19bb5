"""Weights in whole numbers: eight bits for a step of many rows, four for a step of few, where the model allows it.

A step of few rows reads all weights and computes little, so fewer bits are faster; a step of many rows computes, and
eight-bit activations make that faster. The two routes share the embedding and the output head.

Measured with the default model (``npc-engine bench perplexity``), perplexity over that of bfloat16: 1.00 for four bits,
1.01 for eight.
"""

from collections.abc import Sequence

import torch

from npc_engine.inference.model.eight_bit import EightBitLinear
from npc_engine.inference.model.four_bit import FourBit
from npc_engine.inference.model.linears import Linear
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.rows import Rows
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import Layer, LayerTensors, Route, TensorFiles, read_layer


class QuantisedWeights:
    """A WeightSource of a Llama-shaped model for the CPU. ``dtype`` is the attention's."""

    def __init__(self, spec: ModelSpec, dtype: torch.dtype, rows: Rows, four_bit: FourBit) -> None:
        files = TensorFiles(spec.folder, dtype, torch.device("cpu"))
        embedding = files["model.embed_tokens.weight"]
        head = files.find("lm_head.weight")
        ends = _Ends(spec, embedding, files["model.norm.weight"], embedding if head is None else head, rows)
        few: list[Layer] | None = []
        many: list[Layer] = []
        for index in range(spec.layers):
            tensors = read_layer(files, index)
            many.append(_eight_bit(tensors, ends.rotation, spec.norm_eps, dtype, rows))
            if few is not None:
                layer = _four_bit(tensors, spec.norm_eps, four_bit)
                few = None if layer is None else [*few, layer]
        self._many = _Route(ends, many, ends.rotation)
        self._few = self._many if few is None else _Route(ends, few, None, four_bit.stream)
        self._few_rows = four_bit.few_rows

    def route(self, rows: int) -> Route:
        """See WeightSource."""
        return self._few if rows <= self._few_rows else self._many


class _Ends:
    """What both routes begin and end with."""

    def __init__(
        self, spec: ModelSpec, embedding: torch.Tensor, norm: torch.Tensor, head: torch.Tensor, rows: Rows
    ) -> None:
        self.embedding = embedding
        self.rotation = Rotation(spec.hidden)
        self.head = EightBitLinear(self.rotation(head.float() * norm), eps=spec.norm_eps, rows=rows)


class _Route:
    """See Route. The eight-bit layers and the head read a rotated stream, the four-bit layers the model's own."""

    def __init__(
        self, ends: _Ends, layers: Sequence[Layer], rotation: Rotation | None, dtype: torch.dtype = torch.float32
    ) -> None:
        self._ends, self._layers, self._rotation, self._dtype = ends, layers, rotation, dtype

    def embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        stream = self._ends.embedding[token_ids]
        return stream.to(self._dtype) if self._rotation is None else self._rotation(stream)

    def layer(self, index: int) -> Layer:
        return self._layers[index]

    def logits(self, stream: torch.Tensor) -> torch.Tensor:
        return self._ends.head(stream if self._rotation is not None else self._ends.rotation(stream))


def _eight_bit(read: LayerTensors, rotation: Rotation, eps: float, dtype: torch.dtype, rows: Rows) -> Layer:
    qkv = rotation(read.qkv.float() * read.input_norm)
    # The feed-forward network builds up a few huge values for the first token, to which all later ones attend (Sun et
    # al., "Massive activations", arXiv 2402.17762). They are spread here too: that is not free, but a fraction of a
    # product's time, and without it this product costs more quality than all others together.
    within = Rotation(read.down.shape[1])
    return Layer(
        qkv=EightBitLinear(qkv, read.qkv_bias, eps=eps, dtype=dtype, rows=rows),
        head_norms=read.head_norms,
        out=_writing(read.out, read.out_bias, rotation, rows),
        gate_up=EightBitLinear(rotation(read.gate_up.float() * read.post_norm), eps=eps, dtype=dtype, rows=rows),
        down=_writing(read.down, None, rotation, rows, within),
    )


def _writing(
    weight: torch.Tensor, bias: torch.Tensor | None, rotation: Rotation, rows: Rows, within: Rotation | None = None
) -> Linear:
    """A linear that writes to the rotated stream."""
    turned = rotation(weight.T.contiguous()).T
    return EightBitLinear(turned, None if bias is None else rotation(bias), rows=rows, rotation=within)


def _four_bit(read: LayerTensors, eps: float, four_bit: FourBit) -> Layer | None:
    """None if a weight lies on no grid of four bits."""
    try:
        return Layer(
            qkv=four_bit.linear(read.qkv, read.qkv_bias, read.input_norm, eps),
            head_norms=read.head_norms,
            out=four_bit.linear(read.out, read.out_bias),
            gate_up=four_bit.linear(read.gate_up, None, read.post_norm, eps),
            down=four_bit.linear(read.down),
        )
    except ValueError:
        return None
