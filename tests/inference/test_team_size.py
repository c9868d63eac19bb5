"""Claims about how many threads compute."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from npc_engine.inference.team_size import MOST_PATIENCE, TeamSize

Step = Callable[[int], tuple[float, float]]
"""By the number of threads: seconds of a step, and of these what its leading thread is busy."""


def idle(threads: int) -> tuple[float, float]:
    """Two threads take 0.6 times what one does, eight 0.2 times."""
    seconds = 0.002 + 0.018 / threads
    return seconds, 0.9 * seconds


def crowded(threads: int) -> tuple[float, float]:
    """One core is free."""
    return (0.022, 0.021) if threads == 1 else (0.1, 0.05)


@dataclass
class Run:
    """Steps on a made-up machine, one after another."""

    size: TeamSize = field(default_factory=lambda: TeamSize(2))
    now: float = 1000.0

    def __call__(self, seconds: float, step: Step) -> list[tuple[float, int]]:
        """How many threads computed for how long, for as many steps as that many seconds take."""
        steps, end = [], self.now + seconds
        while self.now < end:
            threads = self.size.threads
            took, busy = step(threads)
            self.now += took
            self.size.ran("decode", took, busy, self.now)
            steps.append((took, threads))
        return steps


def seconds_with(threads: int, steps: list[tuple[float, int]]) -> float:
    return sum(took for took, used in steps if used == threads)


def changes(steps: list[tuple[float, int]]) -> int:
    return sum(a[1] != b[1] for a, b in itertools.pairwise(steps))


@pytest.fixture
def run() -> Run:
    return Run()


def test_on_an_idle_machine_nothing_is_ever_tried(run: Run) -> None:
    assert changes(run(300, idle)) == 0
    assert run.size.threads == 2


def test_beside_a_crowd_fewer_compute_within_a_second(run: Run) -> None:
    run(10, idle)
    run(1.0, crowded)
    assert run.size.threads == 1


def test_beside_a_crowd_it_is_almost_as_fast_as_with_fewer_from_the_start(run: Run) -> None:
    run(2, crowded)
    done, alone = len(run(300, crowded)), 300 / crowded(1)[0]
    assert done > 0.97 * alone


def test_when_the_crowd_leaves_all_compute_again(run: Run) -> None:
    run(2, crowded)
    run(MOST_PATIENCE + 1, idle)
    assert run.size.threads == 2


def test_after_a_long_crowd_too(run: Run) -> None:
    run(300, crowded)
    run(MOST_PATIENCE + 1, idle)
    assert run.size.threads == 2


def test_started_beside_a_crowd_it_knows_no_better_times_and_adapts_all_the_same(run: Run) -> None:
    run(1.0, crowded)
    assert run.size.threads == 1


def test_who_waits_for_something_that_fewer_threads_do_not_help_with_seldom_tries(run: Run) -> None:
    steps = run(300, lambda threads: (idle(threads)[0], 0.1 * idle(threads)[0]))
    assert seconds_with(1, steps) < 0.025 * 300
    assert run.size.threads == 2


def test_a_crowd_that_comes_and_goes_does_not_make_it_flap(run: Run) -> None:
    steps = [s for _ in range(60) for s in (*run(2.5, crowded), *run(2.5, idle))]
    # A trial is two changes; one that was right, and soon no longer is, costs two more.
    assert changes(steps) < 4 * (300 / MOST_PATIENCE + 5)


def test_calm_makes_it_quick_again(run: Run) -> None:
    run(300, crowded)
    run(3 * MOST_PATIENCE, idle)
    run(1, crowded)
    run(4, idle)
    assert run.size.threads == 2


def test_noise_on_an_idle_machine_costs_nearly_nothing(run: Run) -> None:
    draw = random.Random(0)

    def noisy(threads: int) -> tuple[float, float]:
        late = 0.03 if draw.random() < 0.03 else 0.0  # another program takes a core for a moment, now and then
        seconds, busy = idle(threads)
        return seconds + late, busy

    done, best = len(run(300, noisy)), 300 / (idle(2)[0] + 0.03 * 0.03)
    assert done > 0.98 * best


@pytest.mark.parametrize("seed", range(5))
def test_beside_a_noisy_crowd_it_stays_close_to_the_better_number(run: Run, seed: int) -> None:
    draw = random.Random(seed)

    def noisy(threads: int) -> tuple[float, float]:
        seconds, busy = crowded(threads)
        if threads == 1:
            return seconds * draw.uniform(0.8, 1.6), busy
        # As often as not a step has both cores.
        return idle(2) if draw.random() < 0.5 else (draw.uniform(0.05, 0.3), busy)

    run(5, noisy)
    done, alone = len(run(300, noisy)), 300 / (crowded(1)[0] * 1.2)
    assert done > 0.93 * alone


def test_with_many_cores_as_many_compute_as_have_one() -> None:
    run = Run(TeamSize(8))

    def three_free(threads: int) -> tuple[float, float]:
        return idle(threads) if threads <= 3 else (0.1, 0.04)

    run(3, three_free)
    assert run.size.threads == 2
    run(4 * MOST_PATIENCE, idle)
    assert run.size.threads == 8


def test_steps_of_another_kind_are_no_verdict(run: Run) -> None:
    """Prompts that come up while one thread is tried take longer, and are not its fault."""
    now = run.now
    while run.size.threads == 2:
        now += 0.1
        run.size.ran("decode", 0.1, 0.05, now)
    for kind, seconds in (("prompt", 0.15), ("decode", 0.02), ("decode", 0.02), ("decode", 0.02), ("decode", 0.05)):
        now += seconds
        run.size.ran(kind, seconds, seconds, now)
    assert run.size.threads == 1


def test_one_thread_is_one_thread() -> None:
    run = Run(TeamSize(1))
    run(50, crowded)
    assert run.size.threads == 1
