"""Claims about the choice of the next token."""

import pytest
import torch

from npc_engine.inference.request import Sampling
from npc_engine.inference.sampling import Chooser, choose


def draw(logits: torch.Tensor, sampling: Sampling, times: int = 2000) -> torch.Tensor:
    chooser = Chooser(sampling)
    ids = [choose(logits.clone()[None], [chooser])[0] for _ in range(times)]
    return torch.bincount(torch.tensor(ids), minlength=len(logits)) / times


def test_frequencies_follow_the_softmax() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0] + [-9.0] * 400)
    seen = draw(logits, Sampling(temperature=0.7, seed=1))
    torch.testing.assert_close(seen[:4], (logits / 0.7).softmax(0)[:4], atol=0.04, rtol=0.0)


@pytest.mark.parametrize(
    ("sampling", "allowed"),
    [
        (Sampling(temperature=1.0, top_k=2, seed=1), {0, 1}),
        (Sampling(temperature=1.0, top_p=0.6, seed=1), {0}),
        (Sampling(temperature=1.0, top_p=0.7, seed=1), {0, 1}),
        (Sampling(temperature=1.0, min_p=0.3, seed=1), {0, 1}),
        (Sampling(temperature=0.0), {0}),
        (Sampling(temperature=5.0, top_k=1, seed=1), {0}),
        (Sampling(temperature=1e-40, seed=1), {0}),
    ],
)
def test_filters_keep_only_the_likeliest(sampling: Sampling, allowed: set[int]) -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0] + [-9.0] * 400)
    assert set(torch.nonzero(draw(logits, sampling, 300)).flatten().tolist()) == allowed


def test_the_tail_beyond_the_candidates_is_drawn_as_often_as_it_should() -> None:
    flat = torch.zeros(1000)
    seen = draw(flat, Sampling(temperature=1.0, seed=3), 3000)
    for part in seen.split(125):
        assert float(part.sum()) == pytest.approx(0.125, abs=0.03)
    nucleus = draw(flat, Sampling(temperature=1.0, top_p=0.5, seed=3), 1500)
    assert int((nucleus > 0).sum()) <= 501


def test_a_row_chooses_the_same_alone_and_among_others() -> None:
    torch.manual_seed(0)
    rows = torch.randn(5, 300)
    settings = [Sampling(temperature=1.0, top_p=0.9, seed=i) for i in range(4)] + [Sampling()]
    together = choose(rows.clone(), [Chooser(s) for s in settings])
    assert [choose(rows[i : i + 1].clone(), [Chooser(s)])[0] for i, s in enumerate(settings)] == together


def test_penalties_look_only_at_what_was_generated() -> None:
    logits = torch.tensor([1.0, 0.9, 0.5])
    chooser = Chooser(Sampling(repetition_penalty=2.0, penalty_window=2))
    picked = [choose(logits.clone()[None], [chooser])[0] for _ in range(4)]
    assert picked == [0, 1, 0, 0] or picked == [0, 1, 2, 0]
    assert picked[1] != picked[0]


def test_the_loop_penalty_breaks_a_phrase_said_before() -> None:
    logits = torch.zeros(10)
    logits[4], logits[7] = 1.0, 0.9
    said = (1, 2, 3, 4)
    chooser = Chooser(Sampling(loop_penalty=0.8, said_before=said))
    for token in (1, 2, 3):
        chooser.chose(token)
    assert choose(logits[None].clone(), [chooser]) == [7]
    free = Chooser(Sampling(loop_penalty=0.8))
    assert choose(logits[None].clone(), [free]) == [4]
