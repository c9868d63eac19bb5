"""Claims about how many prompt tokens a step takes."""

import pytest

from npc_engine.inference.step_size import FIRST, LEAST, MOST, SECONDS, StepSize


def after(steps: int, *, fixed: float, per_token: float) -> StepSize:
    size = StepSize()
    for _ in range(steps):
        size.ran(size.tokens, fixed + per_token * size.tokens)
    return size


@pytest.mark.parametrize(("fixed", "per_token"), [(0.01, 0.0003), (0.02, 0.001), (0.0, 0.0018)])
def test_full_steps_come_to_last_as_long_as_they_may(fixed: float, per_token: float) -> None:
    size = after(30, fixed=fixed, per_token=per_token)
    assert fixed + per_token * size.tokens == pytest.approx(SECONDS, rel=0.05)


def test_there_is_a_least_and_a_most() -> None:
    assert after(30, fixed=0.0, per_token=1.0).tokens == LEAST
    assert after(30, fixed=0.0, per_token=0.0).tokens == MOST


def test_one_slow_step_is_no_reason_to_read_one_by_one() -> None:
    size = StepSize()
    size.ran(FIRST, 60.0)
    assert size.tokens == FIRST // 2


def test_what_a_small_step_costs_says_nothing_unless_it_is_too_much() -> None:
    size = StepSize()
    size.ran(FIRST // 2 - 1, SECONDS)
    assert size.tokens == FIRST
    size.ran(FIRST // 2 - 1, 2 * SECONDS)
    assert size.tokens < FIRST
