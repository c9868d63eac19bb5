"""Claims about the engine over all tiers: whatever moved in between, what is said is the same."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from npc_engine.inference.engine import Engine
from npc_engine.inference.kv import disk as disk_module
from npc_engine.inference.load import EngineOptions, load_engine
from npc_engine.inference.request import Budgets, FinishReason, Output, Priority, Request, Sampling
from tests.tiny import make_tiny

BLOCK = 2 * 3 * 2 * 64 * 16 * 4
SLOT = 2 * 3 * 2 * 512 * 16 * 4
WORLD = tuple(5 + (11 * j * j + j) % 300 for j in range(130))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


def make(tiny: Path, disk: Path | None = None, *, ram_blocks: int = 100, batch: int = 8, codec: str = "raw") -> Engine:
    options = EngineOptions(
        dtype="float32",
        device="cpu",
        max_batch=batch,
        max_context=512,
        ram_budget=ram_blocks * BLOCK,
        disk=disk,
        disk_budget=64 << 20,
        disk_codec=codec,
    )
    return load_engine(tiny, options).engine


def npc(number: int) -> tuple[int, ...]:
    """A prompt: the world, and what only this one knows."""
    return WORLD + tuple(5 + (number * 37 + j * j * 3) % 300 for j in range(20 + number % 50))


def greedy(name: str, prompt: tuple[int, ...], tokens: int = 6, priority: Priority = Priority.PLAYER) -> Request:
    return Request(name, prompt, Sampling(max_tokens=tokens), priority)


def drain(engine: Engine) -> dict[str, list[Output]]:
    outputs: dict[str, list[Output]] = {}
    patience = time.monotonic() + 60
    while engine.has_work:
        assert time.monotonic() < patience, "a request never ends"
        for output in engine.step():
            outputs.setdefault(output.request_id, []).append(output)
        engine.check_integrity()
        if engine.stalled:
            time.sleep(0.0005)
    return outputs


def ids(outputs: list[Output]) -> tuple[int, ...]:
    return tuple(i for output in outputs for i in output.token_ids)


def say(engine: Engine, prompt: tuple[int, ...], tokens: int = 6) -> tuple[tuple[int, ...], int]:
    """What is said, and how many tokens of the prompt did not have to be read."""
    engine.submit(greedy("one", prompt, tokens))
    outputs = drain(engine)["one"]
    return ids(outputs), outputs[-1].usage.cached_tokens


def rest(engine: Engine) -> None:
    while engine.write_down() or engine.awaits_disk:
        time.sleep(0.0005)
        engine.poll()


def empty_ram(engine: Engine, ram_blocks: int = 100) -> None:
    """Leave everything on disk only."""
    rest(engine)
    engine.set_budgets(Budgets(ram=0))
    engine.set_budgets(Budgets(ram=ram_blocks * BLOCK))
    assert engine.stats().tiers["ram"].used == 0


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Reads take as many seconds as the list says."""
    seconds = [0.2]
    read = disk_module.DiskTier._read

    def slowly(self: disk_module.DiskTier, *args: object) -> bool:
        time.sleep(seconds[0])
        return read(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(disk_module.DiskTier, "_read", slowly)
    yield seconds
    seconds[0] = 0.0


def test_what_is_said_is_the_same_from_every_tier(tiny: Path, tmp_path: Path) -> None:
    fresh = [say(make(tiny), npc(i))[0] for i in range(3)]
    engine = make(tiny, tmp_path)
    assert [say(engine, npc(i))[0] for i in range(3)] == fresh
    assert [say(engine, npc(i)) for i in range(3)] == [(fresh[i], len(npc(i)) - 1) for i in range(3)]
    empty_ram(engine)
    assert [say(engine, npc(i)) for i in range(3)] == [(fresh[i], len(npc(i)) - 1) for i in range(3)]
    rest(engine)
    engine.close()
    again = make(tiny, tmp_path)
    assert [say(again, npc(i)) for i in range(3)] == [(fresh[i], len(npc(i)) - 1) for i in range(3)]
    again.close()


def test_of_64_at_once_in_tiers_that_are_far_too_small_nobody_says_what_another_knows(
    tiny: Path, tmp_path: Path
) -> None:
    alone = make(tiny)
    expected = {str(i): say(alone, npc(i), 5)[0] for i in range(64)}
    engine = make(tiny, tmp_path, ram_blocks=9, batch=64)
    for turn in range(2):
        engine.set_budgets(Budgets(device=SLOT * 20, disk=300_000 if turn else 2 << 20))
        for i in range(64):
            engine.submit(greedy(str(i), npc(i), 5, Priority(i % 3)))
        assert {name: ids(outputs) for name, outputs in drain(engine).items()} == expected
        rest(engine)
        engine.check_integrity()
        assert all(use.used <= use.budget for use in engine.stats().tiers.values())
    engine.close()


def test_the_disk_is_never_waited_for_by_a_step(tiny: Path, tmp_path: Path, slow_disk: list[float]) -> None:
    engine = make(tiny, tmp_path)
    expected = say(engine, npc(1))[0]
    empty_ram(engine)
    engine.submit(greedy("returns", npc(1)))
    started = time.monotonic()
    assert engine.step() == []
    assert time.monotonic() - started < 0.1
    assert engine.stalled
    # Meanwhile somebody new is served.
    engine.submit(greedy("new", (3, 4, 5), 3))
    assert not engine.stalled
    while not any(output.finish for output in engine.step()):
        assert time.monotonic() - started < 0.55, "three blocks are read in 0.6 s"
    outputs = drain(engine)["returns"]
    assert (ids(outputs), outputs[-1].usage.cached_tokens) == (expected, len(npc(1)) - 1)
    engine.close()


@pytest.mark.parametrize("how", [FinishReason.CANCELLED, FinishReason.DEADLINE])
def test_a_request_can_end_while_the_disk_reads_for_it(
    tiny: Path, tmp_path: Path, slow_disk: list[float], how: FinishReason
) -> None:
    engine = make(tiny, tmp_path)
    say(engine, npc(1))
    empty_ram(engine)
    deadline = time.monotonic() + 0.05 if how is FinishReason.DEADLINE else None
    engine.submit(Request("ends", npc(1), Sampling(max_tokens=4), deadline=deadline))
    engine.step()
    assert engine.stalled
    if how is FinishReason.CANCELLED:
        engine.cancel("ends")
    time.sleep(0.06)
    assert [output.finish for output in engine.step()] == [how]
    assert not engine.has_work
    rest(engine)
    engine.check_integrity()
    engine.close()


def test_what_is_expected_is_in_ram_when_it_is_needed(tiny: Path, tmp_path: Path) -> None:
    engine = make(tiny, tmp_path)
    say(engine, npc(1))
    empty_ram(engine)
    assert engine.cache_state(npc(1)).tier == "disk"
    engine.prefetch(npc(1), 2.0)
    rest(engine)
    assert engine.cache_state(npc(1)).tier == "ram"
    engine.submit(greedy("returns", npc(1)))
    assert engine.step(), "the first step already says something"
    drain(engine)
    engine.close()


@pytest.mark.parametrize("limit", ["slots", "budget"])
def test_a_player_overtakes_chatter_which_goes_on_without_reading_again(tiny: Path, limit: str) -> None:
    expected = [say(make(tiny), npc(i), 40)[0] for i in range(2)]
    engine = make(tiny, batch=2 if limit == "slots" else 8)
    if limit == "budget":
        engine.set_budgets(Budgets(device=SLOT))
    for i in range(2):
        engine.submit(greedy(f"chatter{i}", npc(i), 40, Priority.AMBIENT))
    got: dict[str, list[Output]] = {}
    for _ in range(6):
        for output in engine.step():
            got.setdefault(output.request_id, []).append(output)
    computed = engine.stats().prompt_tokens - engine.stats().cached_tokens
    engine.submit(greedy("player", npc(2), 2))
    first = [output.request_id for _ in range(2) for output in engine.step()]
    assert "player" in first
    for name, outputs in drain(engine).items():
        got.setdefault(name, []).extend(outputs)
    assert engine.stats().parked == 1
    for i in range(2):
        assert got[f"chatter{i}"][-1].finish is FinishReason.LENGTH
    assert {ids(got[f"chatter{i}"])[-20:] for i in range(2)} <= {e[-20:] for e in expected}
    # Of who was parked, only the token sampled last had not been computed.
    read = engine.stats().prompt_tokens - engine.stats().cached_tokens - computed
    assert read <= len(npc(2)) - 128 + 1


def test_nobody_is_parked_when_that_would_not_help(tiny: Path) -> None:
    engine = make(tiny)
    engine.set_budgets(Budgets(device=SLOT))
    engine.submit(greedy("player", (*npc(0), *npc(1)), 20))
    engine.step()
    assert engine.stats().running == 1
    engine.submit(greedy("another", npc(2), 20))
    engine.step()
    assert engine.stats().parked == 0
    assert all(outputs[-1].finish is FinishReason.LENGTH for outputs in drain(engine).values())


def test_a_smaller_device_while_all_speak_changes_nothing_that_is_said(tiny: Path, tmp_path: Path) -> None:
    alone = make(tiny)
    expected = {str(i): say(alone, npc(i), 20)[0] for i in range(6)}
    engine = make(tiny, tmp_path, ram_blocks=12)
    for i in range(6):
        engine.submit(greedy(str(i), npc(i), 20))
    got = {str(i): () for i in range(6)}  # type: dict[str, tuple[int, ...]]
    for step in range(200):
        if step == 5:
            engine.set_budgets(Budgets(device=SLOT, ram=4 * BLOCK))
            assert engine.stats().tiers["device"].used <= SLOT
        if step == 25:
            engine.set_budgets(Budgets(device=20 * SLOT, ram=100 * BLOCK))
        for output in engine.step():
            got[output.request_id] += output.token_ids
        engine.check_integrity()
    assert got == expected
    assert not engine.has_work
    engine.close()


def test_a_failing_step_lets_go_of_what_was_held(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make(tiny)
    expected = say(engine, npc(1))[0]

    def fail(*_: object) -> None:
        raise RuntimeError("no memory")

    with monkeypatch.context() as patch:
        patch.setattr(engine._slots, "reserve", fail)
        engine.submit(greedy("bad", npc(1)))
        assert [output.finish for output in engine.step()] == [FinishReason.ERROR]
    engine.check_integrity()
    assert say(engine, npc(1)) == (expected, len(npc(1)) - 1)


def test_kept_state_that_makes_steps_fail_is_dropped_and_who_waits_is_answered(tiny: Path) -> None:
    engine = make(tiny)
    expected = say(engine, npc(1))[0]
    # The index names beginnings that it does not have.
    engine._cache._tree.root.children.clear()
    assert say(engine, npc(1)) == (expected, 0)


def test_who_waits_is_told_when_admitting_fails_whatever_is_kept(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make(tiny)
    expected = say(engine, npc(1))[0]
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_make_slot", lambda _: 1 / 0)
        engine.submit(greedy("one", npc(1)))
        engine.submit(greedy("two", npc(2)))
        assert engine.step() == []
        ended = engine.step()
    assert {output.request_id: output.finish for output in ended} == dict.fromkeys(("one", "two"), FinishReason.ERROR)
    assert not engine.has_work
    engine.check_integrity()
    assert say(engine, npc(1)) == (expected, 0)


def test_a_tier_that_fails_during_a_step_ends_nobody(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(tiny, tmp_path)
    expected = say(engine, npc(1))[0]
    engine.submit(greedy("one", npc(1)))
    engine.step()

    def fail() -> bool:
        monkeypatch.undo()
        raise RuntimeError("no memory")

    monkeypatch.setattr(engine._cache, "_fit_ram", fail)
    outputs = drain(engine)["one"]
    assert outputs[-1].finish is FinishReason.LENGTH
    assert expected[-len(ids(outputs)) :] == ids(outputs)


_WRITER = """
import sys
from pathlib import Path
from tests.inference.test_engine_tiers import make, npc, rest, say
engine = make(Path(sys.argv[1]), Path(sys.argv[2]), codec="raw")
say(engine, npc(0))
rest(engine)
print("begun", flush=True)
number = 1
while True:
    say(engine, npc(number))
    engine.poll()
    engine.write_down()
    number += 1
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [0.05, 0.3])
def test_killed_while_writing_it_comes_back_and_says_the_same(tiny: Path, tmp_path: Path, after: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _WRITER, str(tiny), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "begun\n"
        for _ in range(3):
            process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
    engine = make(tiny, tmp_path)
    said, found = say(engine, npc(0))
    assert said == say(make(tiny), npc(0))[0]
    assert found >= 128
    engine.close()
