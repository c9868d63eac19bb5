"""The server's warnings and errors, told to whoever watches: for dashboards, beside what the operator's terminal shows.

Records come from any thread, the engine's among them, which must not wait. So each of them takes one of a few places,
or is left out, and its line is told on the event loop. A place is free again a second after its line was told: no more
than that many wait, and no more than that many come in a second, however much is logged.

A line is a record's message and nothing else: no exception, no traceback. Those may quote what somebody said; a message
may not, since the terminal shows it too.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

from bridge.protocol import LogLevel, LogLine
from npc_engine.world.watchers import Watchers

PLACES = 64

_OURS = ("npc_engine", "bridge")
_LONGEST = 500
_PAUSE = 1.0


class LogFeed:
    """What this project's loggers say from warnings on. They are listened to while anybody watches, and no longer."""

    def __init__(self) -> None:
        self._watchers: Watchers[LogLine] = Watchers()
        self._places = threading.Semaphore(PLACES)
        self._listening = ExitStack()

    def watch(self, watcher: Callable[[LogLine], None]) -> Callable[[], None]:
        """Call ``watcher`` with each line, on this event loop, until what is returned is called. It must not block."""
        if not self._watchers:
            _listen(_Tap(asyncio.get_running_loop(), self._places, self._watchers.tell), self._listening)
        stop_watching = self._watchers.add(watcher)

        def stop() -> None:
            stop_watching()
            if not self._watchers:
                self._listening.close()

        return stop


class _Tap(logging.Handler):
    """Takes records off the threads that log, and their lines to the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, places: threading.Semaphore, tell: Callable[[LogLine], None]
    ) -> None:
        super().__init__(logging.WARNING)
        self.addFilter(_is_the_servers)
        self._loop, self._places, self._tell = loop, places, tell
        self._teller: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler. Never waits."""
        if logging.lastResort is not None and self._alone(record):
            logging.lastResort.handle(record)
        # What telling a line logs would be told, and log again.
        if threading.get_ident() == self._teller or not self._places.acquire(blocking=False):
            return
        try:
            line = _line(record)
        except Exception:
            self._places.release()
            self.handleError(record)
            return
        with suppress(RuntimeError):  # the loop has ended, and with it everyone who could be told
            self._loop.call_soon_threadsafe(self._pass_on, line)

    def _alone(self, record: logging.LogRecord) -> bool:
        """Whether Python would print it if nobody watched, and this is the first of those who do.

        Where nobody else handles a warning Python prints it; with a handler there, the operator would see it no more.
        """
        logger: logging.Logger | None = logging.getLogger(record.name)
        handlers: list[logging.Handler] = []
        while logger is not None:
            handlers += logger.handlers
            logger = logger.parent if logger.propagate else None
        return handlers[0] is self and all(isinstance(handler, _Tap) for handler in handlers)

    def _pass_on(self, line: LogLine) -> None:
        self._loop.call_later(_PAUSE, self._places.release)
        self._teller = threading.get_ident()
        try:
            self._tell(line)
        finally:
            self._teller = None


def _listen(tap: _Tap, listening: ExitStack) -> None:
    """Have ``tap`` handle what our loggers say, until ``listening`` is closed."""
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.addHandler(tap)
        listening.callback(logger.removeHandler, tap)


def _is_the_servers(record: logging.LogRecord) -> bool:
    """Whether it comes from this end. A client in the same process may log that it could not take a line, and so on."""
    return not record.name.startswith("bridge.client")


def _line(record: logging.LogRecord) -> LogLine:
    text = " ".join(record.getMessage().split())
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    # Names of files may hold what is no character.
    text = text.encode(errors="replace").decode()
    return LogLine(level=_level(record.levelno), logger=record.name, text=text, at=record.created)


def _level(number: int) -> LogLevel:
    if number >= logging.CRITICAL:
        return "critical"
    return "error" if number >= logging.ERROR else "warning"
