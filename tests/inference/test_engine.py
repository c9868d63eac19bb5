"""Claims about the engine, against the library's own generation and a tiny random model in float32."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from npc_engine.inference.engine import Engine
from npc_engine.inference.load import EngineOptions, LoadedEngine, load_engine
from npc_engine.inference.model.kernels import ATTENTION_KERNELS, cascade
from npc_engine.inference.request import FinishReason, Output, Priority, Request, Sampling
from npc_engine.inference.team_size import TeamSize
from tests.tiny import configs, make_tiny

FP32 = EngineOptions(dtype="float32", device="cpu", max_batch=8, max_context=512)
PROMPTS = [tuple(5 + (7 * i + j * j) % 300 for j in range(3 + 29 * i)) for i in range(6)]


@pytest.fixture(scope="module", params=list(configs()))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"), request.param)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def loaded(tiny: Path) -> LoadedEngine:
    return load_engine(tiny, FP32)


def drain(engine: Engine) -> dict[str, list[Output]]:
    outputs: dict[str, list[Output]] = {}
    while engine.has_work:
        for output in engine.step():
            outputs.setdefault(output.request_id, []).append(output)
        engine.check_integrity()
    return outputs


def generate(engine: Engine, *requests: Request) -> dict[str, tuple[int, ...]]:
    for request in requests:
        engine.submit(request)
    return {name: tuple(i for o in parts for i in o.token_ids) for name, parts in drain(engine).items()}


def greedy(name: str, prompt: tuple[int, ...], tokens: int = 12) -> Request:
    return Request(name, prompt, Sampling(max_tokens=tokens))


def reference(folder: Path, prompt: tuple[int, ...], tokens: int = 12) -> tuple[int, ...]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([prompt])
    out = model.generate(ids, max_new_tokens=tokens, do_sample=False, eos_token_id=None, pad_token_id=0)
    return tuple(out[0, len(prompt) :].tolist())


def test_greedy_equals_the_library_for_every_family_alone_and_in_a_batch(family: Path) -> None:
    expected = [reference(family, prompt) for prompt in PROMPTS]
    engine = load_engine(family, FP32).engine
    alone = [generate(engine, greedy("alone", prompt))["alone"] for prompt in PROMPTS]
    assert alone == expected
    fresh = load_engine(family, FP32).engine
    together = generate(fresh, *(greedy(str(i), prompt) for i, prompt in enumerate(PROMPTS)))
    assert [together[str(i)] for i in range(len(PROMPTS))] == expected


def test_greedy_equals_the_library_across_turns(tiny: Path, loaded: LoadedEngine) -> None:
    history = PROMPTS[2]
    for turn in range(5):
        reply = generate(loaded.engine, greedy("npc", history))["npc"]
        assert reply == reference(tiny, history)
        history = history + reply + PROMPTS[1][: 5 + turn]


def test_a_second_turn_reads_only_what_is_new(loaded: LoadedEngine) -> None:
    prompt = PROMPTS[5]
    reply = generate(loaded.engine, greedy("a", prompt))["a"]
    loaded.engine.submit(greedy("b", prompt + reply + (9, 10, 11)))
    usage = drain(loaded.engine)["b"][-1].usage
    # The last sampled token was never fed, so it is new, like the three of the next line.
    assert usage.prompt_tokens - usage.cached_tokens == 4


class Restless(TeamSize):
    """Another number of threads for each step, whatever the last ones took."""

    def ran(self, kind: object, seconds: float, busy: float, now: float) -> None:
        """See TeamSize."""
        assert torch.get_num_threads() == self.threads
        assert seconds > 0
        assert busy >= 0
        self.threads = self.threads % 3 + 1


@pytest.fixture
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads_as_before")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_how_many_threads_compute_changes_no_answer(tiny: Path, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    options = replace(FP32, dtype=dtype)
    requests = [greedy(str(i), prompt, tokens=30) for i, prompt in enumerate(PROMPTS)]
    expected = generate(load_engine(tiny, replace(options, threads=2)).engine, *requests)
    monkeypatch.setattr("npc_engine.inference.load.TeamSize", Restless)
    assert generate(load_engine(tiny, options).engine, *requests) == expected


@pytest.mark.usefixtures("threads_as_before")
def test_threads_that_were_asked_for_compute_in_each_step(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npc_engine.inference.load.TeamSize", Restless)
    engine = load_engine(tiny, replace(FP32, threads=2)).engine
    torch.set_num_threads(2)  # those of this thread, on which the engine steps
    engine.submit(greedy("npc", PROMPTS[1]))
    while engine.has_work:
        engine.step()
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("width", [3, 12])
@pytest.mark.parametrize("shared", [0, 16])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_kernels_agree(width: int, shared: int, masked: bool) -> None:
    query, store = torch.randn(3, 2, width, 16), torch.randn(2, 3, 2, 64, 16)
    store[:, 1:, :, :shared] = store[:, :1, :, :shared]
    keys, values = store[:, :, :, :40]
    hidden = torch.rand(3, 1, width, 40 - shared) < 0.3
    mask = torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf")) if masked else None
    results = [kernel(query, keys, values, mask, 0.25, shared) for kernel in ATTENTION_KERNELS.values()]
    torch.testing.assert_close(results[0], results[1])


def test_a_shared_beginning_is_read_once_for_all_and_changes_no_answer(
    family: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ATTENTION_KERNELS, "sdpa", cascade)
    world = tuple(5 + (11 * i) % 300 for i in range(130))
    prompts = [world + prompt for prompt in PROMPTS]
    expected = [reference(family, prompt) for prompt in prompts]
    engine = load_engine(family, FP32).engine
    for _ in range(2):  # computed, then from blocks
        together = generate(engine, *(greedy(str(i), prompt) for i, prompt in enumerate(prompts)))
        assert [together[str(i)] for i in range(len(prompts))] == expected


def test_a_seed_gives_the_same_text_alone_and_in_a_batch(loaded: LoadedEngine) -> None:
    def request(i: int) -> Request:
        sampling = Sampling(temperature=1.1, top_p=0.9, repetition_penalty=1.1, seed=i, max_tokens=20)
        return Request(f"s{i}", PROMPTS[i], sampling)

    together = generate(loaded.engine, *(request(i) for i in range(6)))
    for i in range(6):
        assert generate(loaded.engine, request(i))[f"s{i}"] == together[f"s{i}"]
    assert len(set(together.values())) == 6


def test_requests_join_and_leave_a_running_batch_without_disturbing_it(loaded: LoadedEngine) -> None:
    expected = {str(i): generate(loaded.engine, greedy(str(i), PROMPTS[i], 6 + 3 * i))[str(i)] for i in range(6)}
    engine, got = loaded.engine, {}
    for i in range(6):
        engine.submit(greedy(str(i), PROMPTS[i], 6 + 3 * i))
        for _ in range(2):
            for output in engine.step():
                got.setdefault(output.request_id, []).extend(output.token_ids)
    for name, parts in drain(engine).items():
        got.setdefault(name, []).extend(i for o in parts for i in o.token_ids)
    assert {name: tuple(ids) for name, ids in got.items()} == expected


def test_cancel_ends_a_request_within_one_step(loaded: LoadedEngine) -> None:
    loaded.engine.submit(greedy("gone", PROMPTS[0], 200))
    loaded.engine.submit(greedy("stays", PROMPTS[1], 5))
    loaded.engine.step()
    loaded.engine.cancel("gone")
    ended = {o.request_id: o.finish for o in loaded.engine.step() if o.finish}
    assert ended["gone"] is FinishReason.CANCELLED
    assert "gone" not in drain(loaded.engine)
    loaded.engine.check_integrity()


def test_players_take_the_slot_of_ambient_chatter_which_goes_on_unchanged(tiny: Path) -> None:
    engine = load_engine(tiny, EngineOptions(dtype="float32", device="cpu", max_batch=2, max_context=512)).engine
    expected = generate(engine, greedy("x", PROMPTS[3], 30))["x"]
    for name in ("one", "two"):
        engine.submit(Request(name, PROMPTS[3], Sampling(max_tokens=30), Priority.AMBIENT))
    before = [output for _ in range(4) for output in engine.step()]
    engine.submit(greedy("player", PROMPTS[4], 3))
    outputs = drain(engine)
    assert len(outputs["player"]) == 3
    for name in ("one", "two"):
        assert tuple(i for o in before + outputs[name] if o.request_id == name for i in o.token_ids) == expected


def test_a_shared_beginning_is_computed_once(loaded: LoadedEngine) -> None:
    world = tuple(5 + (11 * j * j + j) % 300 for j in range(200))
    for i in range(5):
        loaded.engine.submit(greedy(f"n{i}", (*world, 10 + i, 20 + i), 3))
    usages = [parts[-1].usage for parts in drain(loaded.engine).values()]
    assert sorted(u.cached_tokens for u in usages) == [0, 192, 192, 192, 192]


def test_text_stops_before_a_stop_string_even_when_it_comes_in_pieces(loaded: LoadedEngine) -> None:
    prompt = PROMPTS[2]
    loaded.engine.submit(greedy("free", prompt, 30))
    text = "".join(o.text for o in drain(loaded.engine)["free"])
    stop = text[10:14]
    loaded.engine.submit(Request("cut", prompt, Sampling(max_tokens=30, stop=(stop,))))
    outputs = drain(loaded.engine)["cut"]
    assert "".join(o.text for o in outputs) == text[: text.index(stop)]
    assert outputs[-1].finish is FinishReason.STOP


def test_a_deadline_that_passes_before_the_first_token_ends_the_request(loaded: LoadedEngine) -> None:
    loaded.engine.submit(Request("late", PROMPTS[0], Sampling(max_tokens=5), deadline=0.0))
    assert [o.finish for o in loaded.engine.step()] == [FinishReason.DEADLINE]


def test_max_tokens_zero_only_warms_the_cache(loaded: LoadedEngine) -> None:
    loaded.engine.submit(greedy("warm", PROMPTS[4], 0))
    assert [o.token_ids for o in drain(loaded.engine)["warm"]] == [()]
    assert loaded.engine.cache_state(PROMPTS[4]).tokens == len(PROMPTS[4])


def test_a_small_budget_changes_how_much_is_recomputed_and_never_what_is_said(tiny: Path) -> None:
    roomy = load_engine(tiny, FP32).engine
    block = 2 * 3 * 2 * 64 * 16 * 4
    tight = load_engine(
        tiny, EngineOptions(dtype="float32", device="cpu", max_batch=3, max_context=512, ram_budget=4 * block)
    ).engine
    for round_ in range(3):
        requests = [greedy(f"{round_}.{i}", p, 8) for i, p in enumerate(PROMPTS)]
        assert generate(tight, *requests) == generate(roomy, *requests)


def test_a_failing_forward_ends_its_requests_and_leaves_the_engine_usable(
    loaded: LoadedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(loaded.engine._runner, "forward", lambda *_: 1 / 0)
        loaded.engine.submit(greedy("bad", PROMPTS[0]))
        output = loaded.engine.step()[0]
        assert output.finish is FinishReason.ERROR
        assert "division" in output.error
    assert len(generate(loaded.engine, greedy("good", PROMPTS[0]))["good"]) == 12
    loaded.engine.check_integrity()


def test_a_request_cancelled_in_the_middle_leaves_its_state_to_whoever_begins_alike(loaded: LoadedEngine) -> None:
    loaded.engine.submit(greedy("gone", PROMPTS[4], 60))
    for _ in range(5):
        loaded.engine.step()
    loaded.engine.cancel("gone")
    drain(loaded.engine)
    loaded.engine.check_integrity()
    assert loaded.engine.cache_state(PROMPTS[4]).tokens == len(PROMPTS[4])


def test_state_that_cannot_be_kept_costs_a_reading_and_no_answer(
    loaded: LoadedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = generate(loaded.engine, greedy("a", PROMPTS[2]))["a"]

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(loaded.engine._cache, "save", fail)
        for name in ("b", "c"):
            loaded.engine.submit(greedy(name, PROMPTS[2]))
        outputs = drain(loaded.engine)
    for name in ("b", "c"):
        assert tuple(i for o in outputs[name] for i in o.token_ids) == expected
        assert outputs[name][-1].finish is FinishReason.LENGTH


def test_slots_that_fail_to_grow_leave_the_engine_usable(loaded: LoadedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, calls = loaded.engine._slots._moved, []

    def fail_second(*args: object) -> torch.Tensor:
        calls.append(args)
        if len(calls) == 2:
            raise MemoryError
        return moved(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(loaded.engine._slots, "_moved", fail_second)
        for i in range(6):
            loaded.engine.submit(greedy(f"f{i}", PROMPTS[i]))
        finishes = {parts[-1].finish for parts in drain(loaded.engine).values()}
    assert FinishReason.ERROR in finishes
    together = generate(loaded.engine, *(greedy(str(i), PROMPTS[i]) for i in range(6)))
    assert all(len(ids) == 12 for ids in together.values())


def test_forgetting_costs_a_reading_and_trimming_gives_memory_back(loaded: LoadedEngine) -> None:
    first = generate(loaded.engine, *(greedy(str(i), PROMPTS[i]) for i in range(6)))
    grown = loaded.engine._slots.nbytes
    loaded.engine.trim()
    assert loaded.engine._slots.nbytes < grown
    loaded.engine.forget()
    assert loaded.engine.cache_state(PROMPTS[5]).tokens == 0
    loaded.engine.check_integrity()
    assert generate(loaded.engine, *(greedy(str(i), PROMPTS[i]) for i in range(6))) == first
