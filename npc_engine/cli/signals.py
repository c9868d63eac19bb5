"""Ctrl-C and a service manager's request to stop, alike on every system."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGBREAK is what a Windows console sends where others send SIGTERM.
_STOP = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


@contextmanager
def interruptible() -> Iterator[None]:
    """While the event loop does not run: every request to stop raises KeyboardInterrupt where the program is."""
    former = {number: signal.signal(number, _interrupt) for number in _STOP}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def stop_event() -> asyncio.Event:
    """An event of the running loop that the first request to stop sets. A second one ends the program at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def first() -> None:
        for number in _STOP:
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in _STOP:
        try:
            loop.add_signal_handler(number, first)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(first))
    return stop


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
