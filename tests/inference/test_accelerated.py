"""Claims about the engine with an accelerator, made with one whose streams are late and whose graphs are recordings."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch

from npc_engine.errors import OperatorError
from npc_engine.inference import load as load_module
from npc_engine.inference.kv import copies as copies_module
from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.load import EngineOptions, load_engine, load_runner
from npc_engine.inference.model import graphs as graphs_module
from npc_engine.inference.model.batch import Span, make_batch
from npc_engine.inference.model.spec import read_spec
from npc_engine.inference.probe import probe
from npc_engine.inference.request import Budgets, FinishReason, Priority
from tests.inference.late import LateAccelerator
from tests.inference.test_engine_tiers import BLOCK, SLOT, drain, empty_ram, greedy, ids, make, npc, rest, say
from tests.tiny import make_tiny

Accelerate = Callable[[LateAccelerator], LateAccelerator]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def accelerate(monkeypatch: pytest.MonkeyPatch) -> Accelerate:
    """Engines that are made from now on have this accelerator."""
    monkeypatch.setattr(copies_module, "_COPY_BYTES", 1)
    monkeypatch.setattr(graphs_module, "_LEAST_KEYS", 32)

    def patch(accelerator: LateAccelerator) -> LateAccelerator:
        monkeypatch.setattr(load_module, "accelerator_of", lambda _: accelerator)
        return accelerator

    return patch


def words(number: int) -> tuple[int, ...]:
    """A prompt so short that its answer crosses from one number of keys to the next."""
    return tuple(5 + (number * 41 + j * j * 7) % 300 for j in range(20 + number))


def test_every_size_of_batch_decodes_by_graphs_what_it_decodes_without(tiny: Path, accelerate: Accelerate) -> None:
    alone = make(tiny)
    expected = {str(i): say(alone, words(i), 20)[0] for i in range(8)}
    late = accelerate(LateAccelerator())
    for size in range(1, 9):
        engine = make(tiny)
        for i in range(size):
            engine.submit(greedy(str(i), words(i), 20))
        late.captured = late.replayed = 0
        assert {name: ids(outputs) for name, outputs in drain(engine).items()} == {
            str(i): expected[str(i)] for i in range(size)
        }
        # All but the steps that read prompts, of at most 128 tokens each.
        assert late.replayed >= 20 - 4
        assert 2 <= late.captured <= 4, "for up to 32 keys and for more, and perhaps for when the first have left"


def test_who_joins_and_leaves_a_graphed_batch_disturbs_nobody(tiny: Path, accelerate: Accelerate) -> None:
    alone = make(tiny)
    expected = {str(i): say(alone, words(i), 4 + 5 * i)[0] for i in range(8)}
    late = accelerate(LateAccelerator(Random(1)))
    engine, got = make(tiny), dict.fromkeys(expected, ())
    for i in reversed(range(8)):
        engine.submit(greedy(str(i), words(i), 4 + 5 * i))
        for _ in range(3):
            for output in engine.step():
                got[output.request_id] += output.token_ids
    for name, outputs in drain(engine).items():
        got[name] += ids(outputs)
    assert got == expected
    assert late.replayed > late.captured > 3


def test_graphs_go_when_slots_move(tiny: Path, accelerate: Accelerate) -> None:
    expected = say(make(tiny), words(0), 60)[0]
    late = accelerate(LateAccelerator())
    engine = make(tiny)
    engine.submit(greedy("stays", words(0), 60))
    before = [output for _ in range(20) for output in engine.step()]
    captured = late.captured
    # The fifth slot needs more memory than the first four have.
    for i in range(5):
        engine.submit(greedy(str(i), words(i), 2))
    outputs = drain(engine)
    assert ids(before + outputs["stays"]) == expected
    assert late.captured > captured


def test_logits_stay_when_the_same_graph_runs_again(
    tiny: Path, accelerate: Accelerate, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerate(LateAccelerator())
    engine = make(tiny)
    forward, given = engine._runner.forward, []

    def watch(*args: object) -> torch.Tensor:
        logits: torch.Tensor = forward(*args)  # type: ignore[arg-type]
        given.append((logits, logits.clone()))
        return logits

    monkeypatch.setattr(engine._runner, "forward", watch)
    say(engine, words(0), 10)
    assert all(torch.equal(logits, then) for logits, then in given)


def test_somebody_idle_in_the_middle_of_a_prompt_is_not_written_over(tiny: Path, accelerate: Accelerate) -> None:
    alone = make(tiny)
    expected = {"speaks": say(alone, words(1), 10)[0], "idle": say(alone, (*npc(0), *npc(1)), 5)[0]}
    late = accelerate(LateAccelerator())
    engine = make(tiny)
    engine.submit(greedy("idle", (*npc(0), *npc(1)), 5, Priority.IDLE))
    engine.step()
    engine.submit(greedy("speaks", words(1), 10))
    # Waits in the slot before, or behind: both ways.
    assert {name: ids(outputs) for name, outputs in drain(engine).items()} == expected
    assert late.captured


def test_a_graph_that_can_not_be_recorded_costs_nothing_but_speed(
    tiny: Path, accelerate: Accelerate, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = say(make(tiny), words(3), 20)[0]
    late = accelerate(LateAccelerator())

    def fail(_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(late, "capture", fail)
    assert say(make(tiny), words(3), 20)[0] == expected


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("hurry", [True, False])
def test_of_16_in_tiers_that_are_far_too_small_nobody_says_what_another_knows(
    tiny: Path, tmp_path: Path, accelerate: Accelerate, pinned: bool, hurry: bool
) -> None:
    alone = make(tiny)
    expected = {str(i): say(alone, npc(i), 5)[0] for i in range(16)}
    accelerate(LateAccelerator(Random(2) if hurry else None, all_pinned=pinned, pins=3))
    engine = make(tiny, tmp_path, ram_blocks=9, batch=8)
    for turn in range(2):
        engine.set_budgets(Budgets(device=SLOT * (4 + turn), disk=300_000 if turn == 1 else 2 << 20))
        for i in range(16):
            engine.submit(greedy(str(i), npc(i), 5, Priority(i % 3)))
        assert {name: ids(outputs) for name, outputs in drain(engine).items()} == expected
        rest(engine)
        engine.check_integrity()
        assert all(use.used <= use.budget for use in engine.stats().tiers.values())
    engine.close()


@pytest.mark.parametrize("pinned", [True, False])
def test_from_every_tier_it_comes_back_and_is_said_the_same(
    tiny: Path, tmp_path: Path, accelerate: Accelerate, pinned: bool
) -> None:
    fresh = [say(make(tiny), npc(i))[0] for i in range(3)]
    accelerate(LateAccelerator(all_pinned=pinned, pins=3))
    engine = make(tiny, tmp_path)
    assert [say(engine, npc(i))[0] for i in range(3)] == fresh
    assert [say(engine, npc(i)) for i in range(3)] == [(fresh[i], len(npc(i)) - 1) for i in range(3)]
    empty_ram(engine)
    assert [say(engine, npc(i)) for i in range(3)] == [(fresh[i], len(npc(i)) - 1) for i in range(3)]
    engine.close()
    again = make(tiny, tmp_path)
    assert [say(again, npc(i)) for i in range(3)] == [(fresh[i], len(npc(i)) - 1) for i in range(3)]
    again.close()


def test_a_smaller_device_while_all_speak_changes_nothing_that_is_said(tiny: Path, accelerate: Accelerate) -> None:
    alone = make(tiny)
    expected = {str(i): say(alone, npc(i), 20)[0] for i in range(6)}
    accelerate(LateAccelerator())
    engine = make(tiny, ram_blocks=60)
    for i in range(6):
        engine.submit(greedy(str(i), npc(i), 20))
    got = dict.fromkeys(expected, ())
    for step in range(300):
        if step in {5, 40}:
            engine.set_budgets(Budgets(device=SLOT if step == 5 else 20 * SLOT, ram=(4 if step == 5 else 60) * BLOCK))
        for output in engine.step():
            got[output.request_id] += output.token_ids
        engine.check_integrity()
    assert got == expected


def test_a_step_that_fails_while_copies_are_under_way_leaves_the_engine_usable(
    tiny: Path, accelerate: Accelerate, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [say(make(tiny), npc(i))[0] for i in range(2)]
    accelerate(LateAccelerator())
    engine = make(tiny)
    assert say(engine, npc(1))[0] == expected[1]
    with monkeypatch.context() as patch:
        patch.setattr(engine._runner, "forward", lambda *_: 1 / 0)
        engine.submit(greedy("bad", npc(1)))
        assert [output.finish for output in engine.step()] == [FinishReason.ERROR]
    engine.check_integrity()
    for i in range(2):
        assert say(engine, npc(i))[0] == expected[i]


@pytest.mark.parametrize(
    "spans", [[Span(0, 7, 1, True), Span(1, 30, 1, True)], [Span(0, 0, 9, True), Span(1, 4, 3, True)]]
)
def test_a_forward_pass_looks_at_no_number_on_the_device(tiny: Path, spans: list[Span]) -> None:
    """On the device ``meta`` there are no numbers: whoever wants to see one fails."""
    meta = torch.device("meta")
    spec = read_spec(tiny)
    runner = load_runner(spec, probe(spec, dtype=torch.float32, device=meta), 512)
    slots = Slots(
        layers=spec.layers,
        kv_heads=spec.kv_heads,
        head_dim=spec.head_dim,
        dtype=torch.float32,
        device=meta,
        max_slots=2,
        max_capacity=512,
        budget=1 << 30,
    )
    token_ids = [5] * sum(span.length for span in spans)
    batch = make_batch(spans, token_ids, fold=spec.group, dtype=torch.float32, device=meta)
    logits = runner.forward(batch, slots)
    assert logits.device == meta
    assert logits.shape == (2, 320)


def test_on_cuda_only_the_library_computes_and_weights_are_exact(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, spec = torch.device("cuda"), read_spec(tiny)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for supported, dtype in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda supported=supported: supported)
        choice = probe(spec, device=cuda)
        assert (choice.dtype, choice.linear, choice.decode, choice.prompt) == (dtype, "plain", "sdpa", "sdpa")
        assert not choice.int8
        assert not choice.jit
    with pytest.raises(OperatorError, match="int8"):
        probe(spec, device=cuda, weights="int8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="here there is one")
def test_without_a_cuda_device_asking_for_one_says_what_to_do(tiny: Path) -> None:
    with pytest.raises(OperatorError, match="CUDA"):
        load_engine(tiny, EngineOptions(device="cuda"))
