"""Weights in whole numbers: eight bits for a step of many rows, four for a step of few, where the model allows it.

A step of few rows reads all weights and computes little, so fewer bits are faster; a step of many rows computes, and
eight-bit activations make that faster. The two routes share the embedding and the output head.

Measured with the default model (``npc-engine bench perplexity``), perplexity over that of bfloat16: 1.00 for four bits,
1.01 for eight.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import torch

from npc_engine.inference.model.eight_bit import EightBitLinear
from npc_engine.inference.model.four_bit import FourBitLinear
from npc_engine.inference.model.operations import Operations
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import (
    Layer,
    LayerTensors,
    Route,
    TensorFiles,
    fused_layer,
    read_layer,
)

# Up to so many rows, reading four bits and unpacking them takes less time than multiplying eight (two AVX-512 cores).
FEW_ROWS = 4


class QuantisedWeights:
    """A WeightSource of a Llama-shaped model for the CPU. ``dtype`` is the attention's."""

    def __init__(self, spec: ModelSpec, dtype: torch.dtype) -> None:
        files = TensorFiles(spec.folder, dtype, torch.device("cpu"))
        embedding = files["model.embed_tokens.weight"]
        head = files.find("lm_head.weight")
        ends = _Ends(spec, embedding, files["model.norm.weight"], embedding if head is None else head)
        few: list[Layer] = []
        many: list[Layer] = []
        for index in range(spec.layers):
            tensors = read_layer(files, index)
            many.append(_eight_bit(tensors, ends.rotation))
            with suppress(ValueError):
                few.append(fused_layer(tensors, FourBitLinear))
        self._many = _Route(ends, many, rotated=True)
        self._few = _Route(ends, few, rotated=False) if len(few) == len(many) else self._many

    def route(self, rows: int) -> Route:
        """See WeightSource."""
        return self._few if rows <= FEW_ROWS else self._many


class _Ends:
    """What both routes begin and end with."""

    def __init__(self, spec: ModelSpec, embedding: torch.Tensor, norm: torch.Tensor, head: torch.Tensor) -> None:
        self.embedding = embedding
        self.rotation = Rotation(spec.hidden)
        self.head = EightBitLinear(self.rotation(head.float() * norm))


class _Route:
    """See Route. The eight-bit layers and the head read a rotated stream, the four-bit layers the model's own."""

    def __init__(self, ends: _Ends, layers: Sequence[Layer], *, rotated: bool) -> None:
        self._ends, self._layers, self._rotated = ends, layers, rotated

    def embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        x = self._ends.embedding[token_ids]
        return self._ends.rotation(x) if self._rotated else x

    def layer(self, index: int) -> Layer:
        return self._layers[index]

    def logits(self, x: torch.Tensor, operations: Operations) -> torch.Tensor:
        levels, scale = operations.levels(x if self._rotated else self._ends.rotation(x), norm=True)
        return self._ends.head.product(levels).mul_(scale[:, None])


class _EightBitLayer(NamedTuple):
    """See Layer. Reads and writes a rotated stream, float32; the norms' weights are in the linears behind them.

    The feed-forward network builds up a few huge values for the first token, to which all later ones attend ("Massive
    activations", Sun et al., arXiv 2402.17762). ``within`` spreads them: not free, but a fraction of a product's time.
    """

    qkv: EightBitLinear
    query_norm: torch.Tensor | None
    key_norm: torch.Tensor | None
    out: EightBitLinear
    gate_up: EightBitLinear
    down: EightBitLinear
    within: Rotation

    def before(self, x: torch.Tensor, operations: Operations) -> torch.Tensor:
        levels, scale = operations.levels(x, norm=True)
        return operations.scaled(self.qkv.product(levels), scale, self.qkv.bias)

    def after(self, x: torch.Tensor, attended: torch.Tensor, operations: Operations) -> None:
        levels, scale = operations.levels(attended, norm=False)
        operations.add_scaled(x, self.out.product(levels), scale, self.out.bias)
        levels, scale = operations.levels(x, norm=True)
        levels, scale = operations.gated_levels(self.gate_up.product(levels), scale, self.within)
        operations.add_scaled(x, self.down.product(levels), scale, None)


def _eight_bit(read: LayerTensors, rotation: Rotation) -> Layer:
    within = Rotation(read.down.shape[1])
    return _EightBitLayer(
        qkv=EightBitLinear(rotation(read.qkv.float() * read.input_norm), read.qkv_bias),
        query_norm=read.query_norm,
        key_norm=read.key_norm,
        out=EightBitLinear(
            rotation(read.out.T.contiguous()).T, None if read.out_bias is None else rotation(read.out_bias)
        ),
        gate_up=EightBitLinear(rotation(read.gate_up.float() * read.post_norm)),
        down=EightBitLinear(rotation(within(read.down).T.contiguous()).T),
        within=within,
    )
