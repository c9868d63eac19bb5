"""What the server logs reaches those who watch: from any thread, within bounds, and without what anyone said."""

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator

import pytest

from bridge.log_feed import PLACES, LogFeed
from bridge.protocol import LogLine

ENGINE = logging.getLogger("npc_engine.inference.engine")
BRIDGE = logging.getLogger("bridge.host")


@pytest.fixture(autouse=True)
async def in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


@pytest.fixture
async def feed() -> LogFeed:
    return LogFeed()


@pytest.fixture
async def lines(feed: LogFeed) -> AsyncIterator[list[LogLine]]:
    lines: list[LogLine] = []
    stop = feed.watch(lines.append)
    yield lines
    stop()


async def passed() -> None:
    """Let all that was logged until now come to the event loop."""
    for _ in range(3):
        await asyncio.sleep(0)


async def logged(*messages: object, level: int = logging.WARNING) -> None:
    """Log from a thread of its own, as the engine does."""
    for message in messages:
        await asyncio.to_thread(ENGINE.log, level, message)
    await passed()


async def test_a_line_from_another_thread_comes_to_the_event_loop(feed: LogFeed) -> None:
    told: list[tuple[int, LogLine]] = []
    stop = feed.watch(lambda line: told.append((threading.get_ident(), line)))
    before = time.time()
    await logged("the disk is slow")
    stop()
    [(thread, line)] = told
    assert thread == threading.get_ident()
    assert (line.level, line.logger, line.text) == ("warning", ENGINE.name, "the disk is slow")
    assert before <= line.at <= time.time()


async def test_levels_from_warnings_on_have_their_names(lines: list[LogLine]) -> None:
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, 35, logging.ERROR, logging.CRITICAL, 90):
        await logged("x", level=level)
    assert [line.level for line in lines] == ["warning", "warning", "error", "critical", "critical"]


async def test_only_this_project_is_listened_to_and_of_it_only_the_server(lines: list[LogLine]) -> None:
    for name in ("asyncio", "websockets.server", "npc_engineering", "bridges", "bridge.client.client", "bridge"):
        logging.getLogger(name).warning("by %s", name)
    await passed()
    assert [line.logger for line in lines] == ["bridge"]


async def test_a_line_is_the_message_and_no_exception_which_may_quote_somebody(lines: list[LogLine]) -> None:
    try:
        raise KeyError("The password is Rumpelstiltskin.")
    except KeyError:
        BRIDGE.exception("request %r failed", 7, stack_info=True)
    await passed()
    [line] = lines
    assert line.text == "request 7 failed"
    assert "Rumpelstiltskin" not in repr(line)
    assert __file__ not in repr(line)


async def test_a_line_is_one_line_of_sensible_length_that_can_travel(lines: list[LogLine]) -> None:
    await logged("a\nb\r\n\tc", "x" * 10_000, "in /data/\udcff")
    assert [line.text for line in lines] == ["a b c", "x" * 499 + "…", "in /data/?"]


async def test_a_record_that_can_not_be_written_is_left_out(
    lines: list[LogLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    for _ in range(2 * PLACES):
        ENGINE.handle(ENGINE.makeRecord(ENGINE.name, logging.ERROR, "", 0, "%d", ("no number",), None))
    await logged("and on")
    assert [line.text for line in lines] == ["and on"]


async def test_nobody_is_listened_to_while_nobody_watches(feed: LogFeed) -> None:
    handlers = {name: list(logging.getLogger(name).handlers) for name in ("npc_engine", "bridge")}
    told: list[LogLine] = []
    stops = [feed.watch(told.append), feed.watch(told.append)]
    stops.pop()()
    await logged("one")
    for stop in (*stops, *stops):
        stop()
    await logged("two")
    assert {name: logging.getLogger(name).handlers for name in handlers} == handlers
    stops.append(feed.watch(told.append))
    await logged("three")
    stops.pop()()
    assert [line.text for line in told] == ["one", "three"]


async def test_a_burst_neither_holds_up_who_logs_nor_is_kept(lines: list[LogLine]) -> None:
    def burst() -> None:
        for number in range(10_000):
            ENGINE.warning("line %d", number)

    thread = threading.Thread(target=burst)
    thread.start()
    thread.join()  # the event loop stands still meanwhile: whoever waited for it would wait for ever
    assert lines == []
    await passed()
    assert [line.text for line in lines] == [f"line {number}" for number in range(PLACES)]


async def test_places_are_free_again_after_a_while(lines: list[LogLine], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.log_feed._PAUSE", 0.5)
    for _ in range(3):
        await logged(*range(PLACES + 5))
        await asyncio.sleep(0.6)
    assert len(lines) == 3 * PLACES


async def test_who_watches_anew_has_no_more_places(feed: LogFeed) -> None:
    told: list[LogLine] = []
    for _ in range(3):
        stop = feed.watch(told.append)
        await logged(*range(PLACES + 5))
        stop()
    await passed()
    assert len(told) <= PLACES


async def test_what_telling_a_line_logs_is_not_told(feed: LogFeed) -> None:
    told: list[str] = []

    def talkative(line: LogLine) -> None:
        told.append(line.text)
        BRIDGE.warning("told: %s", line.text)
        raise ZeroDivisionError

    stop = feed.watch(talkative)
    await logged("one")
    await passed()
    await logged("two")
    await passed()
    stop()
    assert told == ["one", "two"]


async def test_a_loop_that_has_ended_disturbs_nobody_who_logs(feed: LogFeed) -> None:
    async def watch() -> None:
        stops.append(feed.watch(told.append))

    stops, told = [], []
    await asyncio.to_thread(asyncio.run, watch())
    ENGINE.warning("nobody is there")
    for stop in stops:
        stop()
    assert told == []


BESIDE = """
import asyncio, logging
from bridge.log_feed import LogFeed

async def watch():
    logger, one, other = logging.getLogger("npc_engine.x"), LogFeed(), LogFeed()
    stop, stop_other = one.watch(lambda line: None), other.watch(lambda line: None)
    logger.warning("while two watch")
    stop()
    logger.warning("while one does")
    handler = logging.StreamHandler()
    logger.addHandler(handler)
    logger.warning("while another shows it")
    logger.removeHandler(handler)
    stop_other()
    logger.warning("and when nobody does")

asyncio.run(watch())
"""


def test_the_terminal_shows_what_it_shows_without_those_who_watch() -> None:
    # In a process of its own: here pytest handles what is logged.
    run = subprocess.run([sys.executable, "-c", BESIDE], capture_output=True, text=True, check=True)
    lines = ["while two watch", "while one does", "while another shows it", "and when nobody does"]
    assert run.stderr.splitlines() == lines
