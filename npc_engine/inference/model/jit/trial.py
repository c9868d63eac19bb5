"""Whether the compiled kernels work on this machine, and a call to time them by."""

import logging
from collections.abc import Callable
from functools import partial

import numba
import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import WORTH_SHARING, Batch, Span, make_batch
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.operations import JitOperations, JitRows
from npc_engine.inference.model.jit.prompts import COMPILED, LibraryPrompts, prompt_kernel, prompt_kernels, unit_steps
from npc_engine.inference.model.kernels import ATTENTION_KERNELS, Attention, cascade
from npc_engine.inference.model.operations import Operations, PlainOperations, Rope
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.rows import PlainRows, Rows
from npc_engine.inference.model.spec import ModelSpec

_log = logging.getLogger(__name__)
_LEVELS_THAT_MATTER = 32
_CPU = torch.device("cpu")


def make_trial(spec: ModelSpec, *, slots: int, keys: int, prompt: str = COMPILED) -> Callable[[], object] | None:
    """A call that decodes one token for so many slots of so many keys; None where it does not work or is wrong.

    Compiles every kernel that the model will need, unless an earlier start did. ``prompt`` names that for prompts.
    """
    if spec.head_dim % LANES:
        return None
    numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
    rope, store = Rope.of(spec, keys, _CPU), _filled(spec, slots, keys)
    jit = JitOperations(spec, rope, prompt_kernel(spec, prompt), unit_steps(spec))
    plain = PlainOperations(spec, Attention(cascade, cascade), rope, torch.bfloat16)
    decode, sharing = (_batch(spec, slots, keys, rows=1, alike=alike) for alike in (0, WORTH_SHARING))
    width = (spec.heads + 2 * spec.kv_heads) * spec.head_dim
    # The prompt first: it overwrites all that a run before left in its slot.
    batches = _batch(spec, 1, keys, rows=4), decode, sharing
    inputs = [(_random(len(batch.slots), width), batch) for batch in batches]
    x, gate_up, weight = _random(slots, spec.hidden), _random(slots, 2 * spec.hidden), _random(spec.hidden)
    product = _random(slots, spec.hidden).float()

    def results(operations: Operations, rows: Rows) -> list[torch.Tensor]:
        attended = [operations.attention(batch, store)(qkv, None, 0) for qkv, batch in inputs]
        _, scale = rows.levels(x, spec.norm_eps)
        added = rows.add_scaled(rows.scaled(product.clone(), scale, None, torch.bfloat16).float(), product, scale, None)
        # Rounding may put a number one level up or down.
        levels_of_floats = rows.levels(x.float(), None)[0].float() / _LEVELS_THAT_MATTER
        turned = rows.levels(x, None, Rotation(spec.hidden))[0].float() / _LEVELS_THAT_MATTER
        normed = rows.norm(x, weight, spec.norm_eps)
        return [*attended, rows.gate(gate_up), normed, added, levels_of_floats, turned]

    try:
        agree = all(
            torch.allclose(ours.float(), theirs.float(), rtol=0.05, atol=0.05)
            for ours, theirs in zip(results(jit, JitRows()), results(plain, PlainRows()), strict=True)
        )
    except Exception as error:  # a compiler fails in its own ways; the library's kernels do as well, slower
        _log.warning("the compiled kernels do not work here (%s); the library's are used, which are slower", error)
        return None
    if not agree:
        _log.warning("the compiled kernels compute something else than the library's; the library's are used")
        return None
    attend, (_, (qkv, _), _) = jit.attention(decode, store), inputs
    return lambda: attend(qkv, None, 0)


def make_prompt_trials(spec: ModelSpec, *, slots: int, width: int, keys: int) -> dict[str, Callable[[], object]]:
    """Calls of the kernels for prompts, for so many positions a slot: compiled ones that work, and the library's."""
    if spec.head_dim % LANES:
        return {}
    store, batch = _filled(spec, slots, keys), _batch(spec, slots, keys, rows=width)
    [group] = batch.groups
    query = _random(slots * width, spec.heads, spec.head_dim)
    inputs = (query, *store.layer(0), group)
    expected = LibraryPrompts(spec, cascade)(*inputs).float()
    trials: dict[str, Callable[[], object]] = {
        name: partial(LibraryPrompts(spec, kernel), *inputs) for name, kernel in ATTENTION_KERNELS.items()
    }
    for name, kernel in prompt_kernels(spec).items():
        try:
            agrees = torch.allclose(kernel(*inputs).float(), expected, rtol=0.05, atol=0.05)
        except Exception as error:  # a compiler fails in its own ways
            _log.warning("the compiled attention of prompts (%s) does not work here (%s)", name, error)
            continue
        if agrees:
            trials[name] = partial(kernel, *inputs)
        else:
            _log.warning("the compiled attention of prompts (%s) computes something else than the library's", name)
    return trials


def _batch(spec: ModelSpec, slots: int, keys: int, *, rows: int, alike: int = 0) -> Batch:
    spans = [Span(slot, keys - rows, rows, True, alike) for slot in range(slots)]
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
    for state in (store.keys, store.values):
        state.normal_()
        state[:, 1:, :, :WORTH_SHARING] = state[:, :1, :, :WORTH_SHARING]
    return store
