"""Requests to stop reach a program on systems with and without signal handlers in the event loop."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from npc_engine.cli.signals import interruptible, stop_event

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, former, strict=True):
        signal.signal(number, handler)


def test_an_interrupt_that_got_lost_on_its_way_is_found_by_the_check() -> None:
    with interruptible() as interrupts:
        interrupts.check()
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()


def test_before_the_loop_runs_a_request_interrupts_and_is_restored_after() -> None:
    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == former


async def test_the_first_request_sets_the_event_and_the_second_is_not_held_back() -> None:
    stop = stop_event()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(stop.wait(), 10)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


async def test_a_loop_without_signal_handlers_is_woken_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", missing)
    stop = stop_event()
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.wait_for(stop.wait(), 10)
