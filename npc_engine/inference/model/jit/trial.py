"""Whether the compiled kernels work on this machine, and a call to time them by."""

import logging
from collections.abc import Callable

import numba
import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch, Span, make_batch
from npc_engine.inference.model.eight_bit import LARGEST, ZERO_POINT
from npc_engine.inference.model.jit.attention import LANES
from npc_engine.inference.model.jit.operations import JitOperations
from npc_engine.inference.model.kernels import Attention, cascade
from npc_engine.inference.model.operations import Operations, PlainOperations, Rope
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import FusedLayer

_log = logging.getLogger(__name__)
_CPU = torch.device("cpu")


def make_trial(spec: ModelSpec, *, slots: int, keys: int) -> Callable[[], object] | None:
    """A call that decodes one token for so many slots of so many keys; None where it does not work or is wrong.

    Compiles every kernel that the model will need, unless an earlier start did.
    """
    if spec.head_dim % LANES:
        return None
    numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
    rope, store, layer = Rope.of(spec, keys, _CPU), _filled(spec, slots, keys), _layer(spec)
    jit = JitOperations(spec, rope)
    plain = PlainOperations(spec, Attention(cascade, cascade), rope, torch.bfloat16)
    decode, prompt = _batch(spec, slots, keys, rows=1), _batch(spec, 1, keys, rows=4)
    # The prompt first: it overwrites what a trial before it has stored, so that all attend to the same.
    width = (spec.heads + 2 * spec.kv_heads) * spec.head_dim
    inputs = [(_random(len(batch.slots), width), batch) for batch in (prompt, decode)]
    x, gate_up = _random(slots, spec.hidden), _random(slots, 2 * spec.hidden)

    def results(operations: Operations) -> list[torch.Tensor]:
        attended = [operations.attend(qkv, layer, batch, store, 0) for qkv, batch in inputs]
        sums = operations.add_norm(x.clone(), x, layer.input_norm)
        return [*attended, operations.gate(gate_up), sums, *_quantised(operations, x, gate_up)]

    try:
        agree = all(
            torch.allclose(ours.float(), theirs.float(), rtol=0.05, atol=0.05)
            for ours, theirs in zip(results(jit), results(plain), strict=True)
        )
    except Exception as error:  # a compiler fails in its own ways; the library's kernels do as well, slower
        _log.warning("the compiled kernels do not work here (%s); the library's are used, which are slower", error)
        return None
    if not agree:
        _log.warning("the compiled kernels compute something else than the library's; the library's are used")
        return None
    return lambda: jit.attend(inputs[-1][0], layer, decode, store, 0)


def _quantised(operations: Operations, x: torch.Tensor, gate_up: torch.Tensor) -> list[torch.Tensor]:
    """What the kernels around eight-bit products make of ``x`` and ``gate_up``, as numbers again."""
    made = [operations.levels(x, norm=False), operations.levels(x.float(), norm=True)]
    scale = torch.full((len(x),), 0.5)
    made.append(operations.gated_levels(gate_up.float(), scale, Rotation(x.shape[1])))
    scaled, stream = operations.scaled(x.float(), scale, None), x.float()
    operations.add_scaled(stream, x.float(), scale, None)
    return [scaled, stream, *((each.levels.float() - ZERO_POINT) * each.scale[:, None] / LARGEST for each in made)]


def _batch(spec: ModelSpec, slots: int, keys: int, *, rows: int) -> Batch:
    spans = [Span(slot, keys - rows, rows, True) for slot in range(slots)]
    return make_batch(spans, [0] * (slots * rows), fold=spec.group, dtype=torch.bfloat16, device=_CPU)


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(shape).bfloat16()


def _filled(spec: ModelSpec, slots: int, keys: int) -> Slots:
    store = Slots(
        layers=1,
        kv_heads=spec.kv_heads,
        head_dim=spec.head_dim,
        dtype=torch.bfloat16,
        device=_CPU,
        max_slots=slots,
        max_capacity=keys,
        budget=1 << 40,
    )
    for _ in range(slots):
        store.take()
    store.reserve(keys, [0] * slots)
    store.keys.normal_()
    store.values.normal_()
    return store


def _layer(spec: ModelSpec) -> FusedLayer:
    ones = torch.ones(spec.hidden).bfloat16()
    return FusedLayer(ones, _none, None, None, _none, ones, _none, _none)


def _none(x: torch.Tensor) -> torch.Tensor:
    return x
