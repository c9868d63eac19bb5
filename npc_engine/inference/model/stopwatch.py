"""Where the time of a forward pass goes: operations and weights that note how long each part took.

For processors: on an accelerator a call returns before its work is done.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch
from npc_engine.inference.model.linears import Linear
from npc_engine.inference.model.operations import LayerAttention, Operations
from npc_engine.inference.model.weights import Layer, Route, WeightSource

_T = TypeVar("_T")


class Stopwatch:
    """``seconds`` by part, since the last ``reset``."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def reset(self) -> None:
        """Begin at nothing."""
        self.seconds.clear()

    def time(self, part: str, work: Callable[[], _T]) -> _T:
        """What ``work`` returns; how long it took counts for ``part``."""
        started = time.perf_counter()
        result = work()
        self.seconds[part] += time.perf_counter() - started
        return result


class TimedOperations:
    """``operations``, timed. See ``Operations``."""

    def __init__(self, operations: Operations, watch: Stopwatch) -> None:
        self._operations, self._watch = operations, watch

    def attention(self, batch: Batch, slots: Slots) -> LayerAttention:
        """See Operations."""
        attend = self._operations.attention(batch, slots)
        return lambda qkv, norms, index: self._watch.time("attention", lambda: attend(qkv, norms, index))


class TimedWeights:
    """``weights``, timed. See ``WeightSource``."""

    def __init__(self, weights: WeightSource, watch: Stopwatch) -> None:
        self._weights, self._watch = weights, watch

    def route(self, rows: int) -> Route:
        """See WeightSource."""
        return _TimedRoute(self._weights.route(rows), self._watch)


class _TimedRoute:
    def __init__(self, route: Route, watch: Stopwatch) -> None:
        self._route, self._watch = route, watch

    def embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        return self._watch.time("embedding", lambda: self._route.embed(token_ids))

    def layer(self, index: int) -> Layer:
        layer, watch = self._route.layer(index), self._watch
        return Layer(
            qkv=_TimedLinear("qkv", layer.qkv, watch),
            head_norms=layer.head_norms,
            out=_TimedLinear("out", layer.out, watch),
            gate_up=lambda x: watch.time("gate and up", lambda: layer.gate_up(x)),
            down=_TimedLinear("down", layer.down, watch),
        )

    def logits(self, stream: torch.Tensor) -> torch.Tensor:
        return self._watch.time("logits", lambda: self._route.logits(stream))


class _TimedLinear:
    def __init__(self, part: str, linear: Linear, watch: Stopwatch) -> None:
        self._part, self._linear, self._watch = part, linear, watch

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self._watch.time(self._part, lambda: self._linear(x))

    def add_to(self, stream: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self._watch.time(self._part, lambda: self._linear.add_to(stream, x))
