"""Whether the compiled kernels work on this machine, and a call to time them by."""

import logging
from collections.abc import Callable

import numba
import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Span, make_batch
from npc_engine.inference.model.jit.attention import LANES
from npc_engine.inference.model.jit.operations import JitOperations
from npc_engine.inference.model.kernels import Attention, cascade, sdpa
from npc_engine.inference.model.operations import PlainOperations, Rope
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import Layer

_log = logging.getLogger(__name__)


def make_trial(spec: ModelSpec, *, slots: int, keys: int) -> Callable[[], object] | None:
    """A call that decodes one token for so many slots of so many keys; None where it does not work or is wrong."""
    if spec.head_dim % LANES:
        return None
    numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
    attention, rope = Attention(cascade, sdpa), Rope.of(spec, keys, torch.device("cpu"))
    jit = JitOperations(spec, attention, rope)
    plain = PlainOperations(spec, attention, rope, torch.bfloat16)
    store = _filled(spec, slots, keys)
    spans = [Span(slot, keys - 1, 1, True) for slot in range(slots)]
    batch = make_batch(spans, [0] * slots, fold=spec.group, dtype=torch.bfloat16, device=torch.device("cpu"))
    qkv = torch.randn(slots, (spec.heads + 2 * spec.kv_heads) * spec.head_dim).bfloat16()
    layer = _layer(spec)
    try:
        ours, theirs = (o.attend(qkv, layer, batch, store, 0).float() for o in (jit, plain))
        x, gate_up = torch.randn(slots, spec.hidden).bfloat16(), torch.randn(slots, 2 * spec.hidden).bfloat16()
        pairs = [
            (ours, theirs),
            *((o1.float(), o2.float()) for o1, o2 in [(jit.gate(gate_up), plain.gate(gate_up))]),
            tuple(o.add_norm(x.clone(), x, layer.input_norm).float() for o in (jit, plain)),
        ]
    except Exception as error:  # a compiler fails in its own ways; the library's kernels do as well, slower
        _log.warning("the compiled kernels do not work here (%s); the library's are used, which are slower", error)
        return None
    if not all(torch.allclose(a, b, rtol=0.05, atol=0.05) for a, b in pairs):
        _log.warning("the compiled kernels compute something else than the library's; the library's are used")
        return None
    return lambda: jit.attend(qkv, layer, batch, store, 0)


def _filled(spec: ModelSpec, slots: int, keys: int) -> Slots:
    store = Slots(
        layers=1,
        kv_heads=spec.kv_heads,
        head_dim=spec.head_dim,
        dtype=torch.bfloat16,
        device=torch.device("cpu"),
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


def _layer(spec: ModelSpec) -> Layer:
    ones = torch.ones(spec.hidden).bfloat16()
    return Layer(ones, _none, None, None, _none, ones, _none, _none)


def _none(x: torch.Tensor) -> torch.Tensor:
    return x
