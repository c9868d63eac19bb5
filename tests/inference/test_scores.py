"""Claims about the log-probabilities of ids that stand in the prompt."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from npc_engine.inference.engine import Engine
from npc_engine.inference.load import EngineOptions, load_engine
from npc_engine.inference.request import Output, Request, Sampling
from tests.tiny import make_tiny

PROMPT = tuple(5 + (7 * i * i) % 300 for i in range(300))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("scores") / "tiny")


@pytest.fixture
def engine(folder: Path) -> Engine:
    return load_engine(folder, EngineOptions(dtype="float32", device="cpu", max_batch=8, max_context=512)).engine


def last(engine: Engine, *requests: Request) -> dict[str, Output]:
    for request in requests:
        engine.submit(request)
    ends: dict[str, Output] = {}
    while engine.has_work:
        for output in engine.step():
            if output.finish is not None:
                ends[output.request_id] = output
            else:
                assert not output.scores
        engine.check_integrity()
    return ends


def reference(folder: Path, prompt: tuple[int, ...], scored: int) -> tuple[float, ...]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        rows = model(torch.tensor([prompt])).logits[0].log_softmax(-1)
    places = range(len(prompt) - scored, len(prompt))
    return tuple(float(rows[at - 1, prompt[at]]) for at in places)


@pytest.mark.parametrize("scored", [1, 20, 150, len(PROMPT) - 1])
@pytest.mark.parametrize("tokens", [0, 3])
def test_scores_are_the_librarys_also_across_steps_and_when_all_of_it_is_kept(
    engine: Engine, folder: Path, scored: int, tokens: int
) -> None:
    expected = pytest.approx(reference(folder, PROMPT, scored), abs=1e-4)
    request = Request("first", PROMPT, Sampling(max_tokens=tokens, ignore_stop_ids=True), scored=scored)
    assert last(engine, request)["first"].scores == expected
    again = Request("again", PROMPT, Sampling(max_tokens=tokens, ignore_stop_ids=True), scored=scored)
    assert last(engine, again)["again"].scores == expected


def test_scored_and_sampling_requests_share_a_batch(engine: Engine, folder: Path) -> None:
    plain = Request("plain", PROMPT[:90], Sampling(max_tokens=9, ignore_stop_ids=True))
    alone = last(engine, plain)["plain"]
    scored = [Request(f"s{n}", PROMPT[: 60 + n], Sampling(max_tokens=0), scored=n, keep=False) for n in (1, 7, 30)]
    found = last(engine, scored[0], plain, *scored[1:])
    assert found["plain"].usage.completion_tokens == alone.usage.completion_tokens == 9
    for request in scored:
        assert found[request.id].scores == pytest.approx(reference(folder, request.prompt, request.scored), abs=1e-4)


def test_what_nobody_asks_again_is_not_kept(engine: Engine) -> None:
    last(engine, Request("kept", PROMPT[:100], Sampling(max_tokens=0)))
    question = (*PROMPT[:100], 9, 8, 7, 6, 5)
    end = last(engine, Request("asked", question, Sampling(max_tokens=0), scored=2, keep=False))["asked"]
    assert end.usage.cached_tokens == 100
    assert engine.cache_state(question).tokens == 100
