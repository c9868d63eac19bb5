"""A smoke of the benchmarks: that they run and print their figures, not what they are."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from npc_engine.cli.bench.measure import Figure, percentile

MACHINE = ("start to listening", "first token", "ping, p99", "resident memory", "decode, 32", "8 at once")
VILLAGE = ("first token, p50", "first token, p95", "all of that village", "decode, 2 at once", "cow")
TIERS = ("from RAM, p95", "from disk, p95", "after kill -9, p95", "everything else", "nobody asks for")
STEPS = ("2 decode", "3 read", "attention", "gate and up", "logits")
SOAK = ("memory at rest", "beyond their budgets", "inconsistent")
BRIDGE = ("messages a second", "idle connection", "don't read", "fuzzed frames", "that broke", "doubled")
COW = f"cow={shlex.quote(sys.executable)} -m tests.cli.fake_peer {{port}}"


@pytest.mark.parametrize(
    ("arguments", "figures"),
    [((), MACHINE), (("village", "--peer", COW), VILLAGE), (("tiers",), TIERS), (("soak",), SOAK), (("steps",), STEPS)],
    ids=["machine", "village", "tiers", "soak", "steps"],
)
def test_a_benchmark_runs_and_prints_every_figure(
    arguments: Sequence[str], figures: Sequence[str], default_model: Path
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "npc_engine.cli", "bench", *arguments, "--quick"],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr
    for wanted in figures:
        assert wanted in run.stdout


def test_the_bridge_keeps_what_it_promises_on_a_small_load() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "npc_engine.cli", "bench", "bridge", "--quick"],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert run.returncode == 0, run.stderr
    for wanted in BRIDGE:
        assert wanted in run.stdout
    # Times depend on what else runs here; these counts don't.
    counted = ("failed", "unanswered", "tracebacks", "broke", "not resumed", "lost", "doubled")
    for line in run.stdout.splitlines():
        if line.strip().startswith(counted):
            assert "reached" in line, line


def test_a_figure_says_whether_it_keeps_its_aim() -> None:
    assert Figure("x", 1.0, "s", 2.0).reached is True
    assert Figure("x", 3.0, "s", 2.0).reached is False
    assert Figure("x", 3.0, "x", 2.0, at_least=True).reached is True
    assert Figure("x", 3.0, "s").reached is None


def test_percentiles_are_values_that_occurred() -> None:
    assert [percentile([3.0, 1.0, 2.0, 4.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 3.0, 4.0]
