"""Weights in whole numbers: four bits where the model's own lie on such a grid, eight otherwise.

A step of few rows reads all weights and computes little, so fewer bits are faster; a step of many rows computes, and
eight-bit activations make that faster. The compiled kernels do both at once. Where there are only the library's, a step
of many rows takes another route: over weights of eight bits, or as they are stored where the processor multiplies those
as fast. The two share the embedding and, in whole numbers, the output head.

Measured with the default model (``npc-engine bench perplexity``), perplexity over that of bfloat16: 1.00 for four bits,
1.01 for eight.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import torch

from npc_engine.inference.model.eight_bit import EightBitLinear
from npc_engine.inference.model.four_bit import FourBit
from npc_engine.inference.model.linears import GatedLinear, Linear
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.rows import Rows
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import Layer, LayerTensors, ResidentWeights, Route, TensorFiles, read_layer


class QuantisedWeights:
    """A WeightSource of a Llama-shaped model for the CPU. ``dtype`` is the attention's."""

    def __init__(self, spec: ModelSpec, dtype: torch.dtype, rows: Rows, four_bit: FourBit) -> None:
        files = TensorFiles(spec.folder, dtype, torch.device("cpu"))
        ends = _Ends.of(files, spec, rows, files["model.embed_tokens.weight"])
        self._routes: list[tuple[int | None, Route]] = []
        few = _four_bit_layers(_read(files, spec), spec.norm_eps, four_bit)
        if few is not None:
            self._routes.append((four_bit.few_rows, _Route(ends, few, None, four_bit.stream)))
        if few is None or four_bit.few_rows is not None:
            many = [_eight_bit(read, ends.rotation, spec.norm_eps, dtype, rows) for read in _read(files, spec)]
            self._routes.append((None, _Route(ends, many, ends.rotation)))

    def route(self, rows: int) -> Route:
        """See WeightSource."""
        return _first(self._routes, rows)


class FourBitsBesideStored:
    """Four bits if the weights lie on such a grid, and the weights as they are stored for what is slower so.

    For processors that multiply what is stored as fast as eight bits. ``stored`` reads the weights as they are;
    ``rows`` and ``four_bit`` as for QuantisedWeights.
    """

    def __init__(
        self, stored: Callable[[], ResidentWeights], spec: ModelSpec, dtype: torch.dtype, rows: Rows, four_bit: FourBit
    ) -> None:
        files = TensorFiles(spec.folder, dtype, torch.device("cpu"))
        few = _four_bit_layers(_read(files, spec), spec.norm_eps, four_bit)
        self._routes: list[tuple[int | None, Route]] = []
        many = stored() if few is None or four_bit.few_beside_stored is not None else None
        if few is not None:
            embedding = files["model.embed_tokens.weight"] if many is None else many.embedding
            route = _Route(_Ends.of(files, spec, rows, embedding), few, None, four_bit.stream)
            self._routes.append((four_bit.few_beside_stored, route))
        if many is not None:
            self._routes.append((None, many))

    def route(self, rows: int) -> Route:
        """See WeightSource."""
        return _first(self._routes, rows)


def _first(routes: Sequence[tuple[int | None, Route]], rows: int) -> Route:
    """The first that is for steps of so many rows."""
    return next(route for most, route in routes if most is None or rows <= most)


class _Ends(NamedTuple):
    """What routes begin and end with. The head, in eight bits, reads a rotated stream."""

    embedding: torch.Tensor
    rotation: Rotation
    head: EightBitLinear

    @classmethod
    def of(cls, files: TensorFiles, spec: ModelSpec, rows: Rows, embedding: torch.Tensor) -> "_Ends":
        head, rotation = files.find("lm_head.weight"), Rotation(spec.hidden)
        turned = rotation((embedding if head is None else head).float() * files["model.norm.weight"])
        return cls(embedding, rotation, EightBitLinear(turned, eps=spec.norm_eps, rows=rows))


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
    qkv, gate_up = rotation(read.qkv.float() * read.input_norm), rotation(read.gate_up.float() * read.post_norm)
    # The feed-forward network builds up a few huge values for the first token, to which all later ones attend (Sun et
    # al., "Massive activations", arXiv 2402.17762). They are spread here too: that is not free, but a fraction of a
    # product's time, and without it this product costs more quality than all others together.
    within = Rotation(read.down.shape[1])
    return Layer(
        qkv=EightBitLinear(qkv, read.qkv_bias, eps=eps, dtype=dtype, rows=rows),
        head_norms=read.head_norms,
        out=_writing(read.out, read.out_bias, rotation, rows),
        gate_up=GatedLinear(EightBitLinear(gate_up, eps=eps, dtype=dtype, rows=rows), rows),
        down=_writing(read.down, None, rotation, rows, within),
    )


def _writing(
    weight: torch.Tensor, bias: torch.Tensor | None, rotation: Rotation, rows: Rows, within: Rotation | None = None
) -> Linear:
    """A linear that writes to the rotated stream."""
    turned = rotation(weight.T.contiguous()).T
    return EightBitLinear(turned, None if bias is None else rotation(bias), rows=rows, rotation=within)


def _read(files: TensorFiles, spec: ModelSpec) -> Iterator[LayerTensors]:
    """One layer at a time: they are never all in memory as they are stored."""
    return (read_layer(files, index) for index in range(spec.layers))


def _four_bit_layers(layers: Iterable[LayerTensors], eps: float, four_bit: FourBit) -> list[Layer] | None:
    """None if a weight lies on no grid of four bits."""
    try:
        return [_four_bit(read, eps, four_bit) for read in layers]
    except ValueError:
        return None


def _four_bit(read: LayerTensors, eps: float, four_bit: FourBit) -> Layer:
    return Layer(
        qkv=four_bit.linear(read.qkv, read.qkv_bias, read.input_norm, eps),
        head_norms=read.head_norms,
        out=four_bit.linear(read.out, read.out_bias),
        gate_up=four_bit.gated(read.gate_up, read.post_norm, eps),
        down=four_bit.linear(read.down),
    )
