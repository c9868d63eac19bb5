"""Claims about the compiled kernels: they compute what the library's do."""

from pathlib import Path

import pytest
import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Span, make_batch
from npc_engine.inference.model.jit.operations import JitOperations, JitRows
from npc_engine.inference.model.jit.prompts import CompiledPrompts, LibraryPrompts, prompt_kernels, unit_steps
from npc_engine.inference.model.jit.trial import make_trial
from npc_engine.inference.model.kernels import Attention, cascade, sdpa
from npc_engine.inference.model.operations import PlainOperations, Rope
from npc_engine.inference.model.rotation import Rotation
from npc_engine.inference.model.rows import PlainRows
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.model.weights import HeadNorms

CPU = torch.device("cpu")
ATTENTION = Attention(cascade, sdpa)


def spec_of(heads: int, kv_heads: int, head_dim: int) -> ModelSpec:
    hidden = heads * head_dim
    return ModelSpec(
        Path(), "llama", 2, hidden, heads, kv_heads, head_dim, 320, 2048, frozenset(), {"rms_norm_eps": 1e-5}
    )


def filled(spec: ModelSpec, slots: int, capacity: int, shared: int) -> Slots:
    store = Slots(
        layers=1,
        kv_heads=spec.kv_heads,
        head_dim=spec.head_dim,
        dtype=torch.bfloat16,
        device=CPU,
        max_slots=slots,
        max_capacity=capacity,
        budget=1 << 40,
    )
    for _ in range(slots):
        store.take()
    store.reserve(capacity, [0] * slots)
    for state in (store.keys, store.values):
        state.normal_()
        state[:, 1:, :, :shared] = state[:, :1, :, :shared]
    return store


@pytest.mark.parametrize("sizes", [(9, 3, 64), (4, 4, 48), (14, 2, 64), (2, 1, 128)])
@pytest.mark.parametrize("shared", [0, 64, 71])
@pytest.mark.parametrize("lengths", [(1, 1, 1, 1, 1), (1, 9, 8, 1, 1), (9, 9, 7, 8, 5)])
@pytest.mark.parametrize("with_norms", [False, True])
@pytest.mark.parametrize("by_unit", [False, True])
def test_attention_and_what_it_stores_are_the_librarys(
    sizes: tuple[int, int, int], shared: int, lengths: tuple[int, ...], with_norms: bool, by_unit: bool
) -> None:
    spec = spec_of(*sizes)
    steps = unit_steps(spec) if by_unit else None
    if by_unit and (not shared or steps is None):
        pytest.skip("nothing for the unit to do, or no unit for heads of that size")
    spans = [
        Span(slot, end - rows, rows, True, shared)
        for slot, (end, rows) in enumerate(zip((150, 131, 97, 150, 80), lengths, strict=True))
    ]
    batch = make_batch(spans, [0] * sum(lengths), fold=spec.group, dtype=torch.bfloat16, device=CPU)
    rope = Rope.of(spec, 256, CPU)
    weights = [torch.rand(spec.head_dim).bfloat16() + 0.5 for _ in range(2)]
    norms = HeadNorms(*weights) if with_norms else None
    qkv = torch.randn(sum(lengths), (spec.heads + 2 * spec.kv_heads) * spec.head_dim).bfloat16()
    theirs_in = filled(spec, len(spans), 192, shared)
    ours_in = filled(spec, len(spans), 192, shared)
    ours_in.keys.copy_(theirs_in.keys)
    ours_in.values.copy_(theirs_in.values)
    theirs = PlainOperations(spec, ATTENTION, rope, torch.bfloat16).attention(batch, theirs_in)(qkv, norms, 0)
    ours = JitOperations(spec, rope, CompiledPrompts(spec), steps).attention(batch, ours_in)(qkv, norms, 0)
    torch.testing.assert_close(ours_in.keys, theirs_in.keys, rtol=0.02, atol=0.03)
    assert torch.equal(ours_in.values, theirs_in.values)
    torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.03)


@pytest.mark.parametrize("sizes", [(9, 3, 64), (4, 4, 48), (8, 1, 128)])
@pytest.mark.parametrize("lengths", [(64, 64), (40, 33), (97,), (17, 2, 30)])
@pytest.mark.parametrize("kernel", ["compiled", "matrix unit", "library"])
def test_long_prompts_are_read_as_the_library_reads_them(
    sizes: tuple[int, int, int], lengths: tuple[int, ...], kernel: str
) -> None:
    spec = spec_of(*sizes)
    spans = [Span(slot, 130 - 7 * slot, rows, True) for slot, rows in enumerate(lengths)]
    batch = make_batch(spans, [0] * sum(lengths), fold=spec.group, dtype=torch.bfloat16, device=CPU)
    qkv = torch.randn(sum(lengths), (spec.heads + 2 * spec.kv_heads) * spec.head_dim).bfloat16()
    rope, store = Rope.of(spec, 256, CPU), filled(spec, len(spans), 256, 0)
    theirs = PlainOperations(spec, ATTENTION, rope, torch.bfloat16).attention(batch, store)(qkv, None, 0)
    kernels = {"library": LibraryPrompts(spec, sdpa), **prompt_kernels(spec)}
    if kernel not in kernels:
        pytest.skip("this processor has no unit for matrices, or none for heads of that size")
    ours = JitOperations(spec, rope, kernels[kernel], None).attention(batch, store)(qkv, None, 0)
    torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("eps", [None, 1e-5])
@pytest.mark.parametrize("rotation", [None, Rotation(576)])
def test_rows_are_the_librarys(rows: int, dtype: torch.dtype, eps: float | None, rotation: Rotation | None) -> None:
    jit, plain = JitRows(), PlainRows()
    x = (30 * torch.randn(rows, 576)).to(dtype)
    (ours, our_scale), (theirs, their_scale) = jit.levels(x, eps, rotation), plain.levels(x, eps, rotation)
    assert int((ours.int() - theirs.int()).abs().max()) <= 1
    torch.testing.assert_close(our_scale, their_scale)
    for bias in (None, torch.randn(576)):
        product, stream = torch.randn(rows, 576), torch.randn(rows, 576)
        ours, theirs = (r.scaled(product.clone(), our_scale, bias, torch.bfloat16) for r in (jit, plain))
        torch.testing.assert_close(ours, theirs)
        ours, theirs = (r.add_scaled(stream.clone(), product, our_scale, bias) for r in (jit, plain))
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("rows", [1, 7])
def test_norms_and_gates_are_the_librarys(rows: int) -> None:
    spec = spec_of(9, 3, 64)
    weight, x = torch.rand(spec.hidden).bfloat16(), torch.randn(rows, spec.hidden).bfloat16()
    torch.testing.assert_close(JitRows().norm(x, weight, 1e-5), PlainRows().norm(x, weight, 1e-5))
    gate_up = 30 * torch.randn(rows, 2 * spec.hidden).bfloat16()
    torch.testing.assert_close(JitRows().gate(gate_up), PlainRows().gate(gate_up.clone()), rtol=0.02, atol=0.02)


def test_a_weight_in_the_place_of_one_that_is_gone_is_another() -> None:
    rows, x = JitRows(), torch.ones(1, 64).bfloat16()
    # Each weight is let go before the next is made: most get the id of the one before.
    norms = [float(rows.norm(x, torch.full((64,), value).bfloat16(), 0.0)[0, 0]) for value in range(20)]
    assert norms == list(range(20))


def test_a_head_size_they_were_not_made_for_has_no_trial() -> None:
    assert make_trial(spec_of(4, 2, 24), slots=2, keys=64) is None
    assert make_trial(spec_of(4, 2, 32), slots=2, keys=64) is not None
