"""A smoke of the benchmark: that it runs and prints its figures, not what they are."""

import subprocess
import sys
from pathlib import Path

from npc_engine.cli.bench.measure import Figure, percentile


def test_the_benchmark_runs_and_prints_every_figure(default_model: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "npc_engine.cli", "bench", "--quick"], capture_output=True, text=True, timeout=180
    )
    assert run.returncode == 0, run.stderr
    for wanted in ("start to listening", "first token", "ping, p99", "resident memory", "decode, 32", "8 at once"):
        assert wanted in run.stdout


def test_a_figure_says_whether_it_keeps_its_aim() -> None:
    assert Figure("x", 1.0, "s", 2.0).reached is True
    assert Figure("x", 3.0, "s", 2.0).reached is False
    assert Figure("x", 3.0, "x", 2.0, at_least=True).reached is True
    assert Figure("x", 3.0, "s").reached is None


def test_percentiles_are_values_that_occurred() -> None:
    assert [percentile([3.0, 1.0, 2.0, 4.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 3.0, 4.0]
