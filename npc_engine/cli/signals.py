"""Ctrl-C and a service manager's request to stop, alike on every system."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGBREAK is what a Windows console sends where others send SIGTERM.
_STOP = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


class Interrupts:
    """The handler while the event loop does not run: raises KeyboardInterrupt where the program is, and remembers."""

    def __init__(self) -> None:
        self._requested = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self._requested = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if one was raised before and got lost, as happens while an extension initialises."""
        if self._requested:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Make every request to stop an interrupt. Call ``check`` after imports and before promising anything."""
    interrupts = Interrupts()
    former = {number: signal.signal(number, interrupts) for number in _STOP}
    try:
        yield interrupts
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
