"""Threads that compute leave no team of OpenMP threads behind: a second one makes every step of the engine slower."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from npc_engine.inference.load import EngineOptions, load_engine
from tests.tiny import make_tiny

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts threads as GNU's OpenMP keeps them")

_COUNT = """
import sys, threading, time
import psutil, torch
from npc_engine.inference.kv.codec import Int4Codec
from npc_engine.inference.teams import leaving_no_team, without_team

torch.set_num_threads(2)
state = torch.randn(2, 30, 3, 64, 64)

def compute():
    Int4Codec().encode(state)

def threads():
    time.sleep(0.3)  # those who leave take a moment
    return psutil.Process().num_threads()

def beside(prepare):
    counts = []
    thread = threading.Thread(target=lambda: (prepare(), compute(), counts.append(threads())))
    thread.start()
    thread.join()
    return counts[0] - 1

before = threads()
leaving_no_team(compute)
after = threads()
print(after - before, beside(without_team) - before, beside(lambda: None) - before)
"""


def test_a_thread_that_ends_takes_its_team_along() -> None:
    done = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True, check=True)
    left, alone, with_team = map(int, done.stdout.split())

    assert (left, alone) == (0, 0)
    assert with_team > 0  # so that the count is known to see one


_CHANGES = """
import threading, time
import psutil, torch
from npc_engine.inference.teams import compute_with

state = torch.randn(4, 1024, 1024)

def run():
    counts = set()
    for turn in range(50):
        for threads in 2, 1:
            compute_with(threads)
            state.exp()
            if turn:
                counts.add(psutil.Process().num_threads())
    print(*counts)

thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


def test_a_thread_that_computes_alone_for_a_while_keeps_its_team_and_gets_no_other() -> None:
    done = subprocess.run([sys.executable, "-c", _CHANGES], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) == 1


def test_an_engine_is_loaded_without_leaving_a_team(tmp_path: Path) -> None:
    folder, options = make_tiny(tmp_path), EngineOptions(dtype="float32", device="cpu", max_context=512)
    load_engine(folder, options)
    before = _threads()

    load_engine(folder, options)

    assert _threads() == before


def _threads() -> int:
    time.sleep(0.3)
    return psutil.Process().num_threads()
