"""Claims about the engine's thread while the disk has something to do."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from npc_engine.inference.request import Budgets, FinishReason
from npc_engine.inference.thread import EngineThread
from tests.inference.test_engine_tiers import empty_ram, greedy, make, npc, say, slow_disk
from tests.tiny import make_tiny

__all__ = ["slow_disk"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def thread(tiny: Path, tmp_path: Path) -> Iterator[EngineThread]:
    engine = make(tiny, tmp_path)
    say(engine, npc(1))
    empty_ram(engine)
    with EngineThread(engine) as thread:
        yield thread


async def test_it_wakes_when_the_disk_has_answered_and_does_not_spin_meanwhile(
    thread: EngineThread, slow_disk: list[float]
) -> None:
    steps, step = [], thread._engine.step

    def counted() -> object:
        steps.append(time.monotonic())
        return step()

    thread._engine.step = counted  # type: ignore[assignment, method-assign]
    started = time.monotonic()
    outputs = [output async for output in thread.generate(greedy("x", npc(1), 1))]
    seconds = time.monotonic() - started
    assert outputs[-1].finish is FinishReason.LENGTH
    assert outputs[-1].usage.cached_tokens == len(npc(1)) - 1
    # Three blocks of 0.2 s each: a step for every answer, for every 0.1 s of waiting, and a few to speak.
    assert 0.5 < seconds < 2.0
    assert len(steps) <= 10 * seconds + 8


async def test_a_deadline_passes_while_the_disk_reads(thread: EngineThread, slow_disk: list[float]) -> None:
    slow_disk[0] = 1.0
    request = greedy("x", npc(1), 1)
    late = type(request)(request.id, request.prompt, request.sampling, deadline=time.monotonic() + 0.1)
    started = time.monotonic()
    assert [output.finish async for output in thread.generate(late)] == [FinishReason.DEADLINE]
    assert time.monotonic() - started < 0.7
    slow_disk[0] = 0.0


async def test_idle_time_is_used_to_write_and_only_then_to_check(
    thread: EngineThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[float] = []
    monkeypatch.setattr(thread._engine, "check_integrity", lambda: checks.append(time.monotonic()))
    async for _ in thread.generate(greedy("x", npc(7), 1)):
        pass
    ended = time.monotonic()
    while await thread.ask(lambda engine: len(engine._cache._unwritten)):
        assert time.monotonic() - ended < 2.0
        await asyncio.sleep(0.02)
    await asyncio.sleep(1.5)
    assert not checks
    await asyncio.sleep(1.0)
    assert len(checks) == 1
    assert checks[0] - ended > 1.9


async def test_an_error_while_looking_after_the_disk_ends_nobody(
    thread: EngineThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(thread._engine._cache, "poll", lambda: 1 / 0)
        await thread.ask(lambda engine: engine.poll())
    outputs = [output async for output in thread.generate(greedy("x", npc(1), 2))]
    assert outputs[-1].finish is FinishReason.LENGTH


async def test_a_lowered_budget_holds_within_a_second_though_the_disk_stalls(
    thread: EngineThread, slow_disk: list[float]
) -> None:
    async for _ in thread.generate(greedy("x", npc(7), 1)):
        pass
    slow_disk[0] = 3.0
    await thread.set_budgets(Budgets(ram=0))
    await asyncio.sleep(1.0)
    # Not by asking the engine, which would have it look.
    assert thread._engine._cache._ram.used == 0
    slow_disk[0] = 0.0
