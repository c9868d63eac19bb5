"""The one thread that writes. Everything queued at a moment goes into one transaction, hence one fsync."""

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from npc_engine.store.failure import describe_failure

T = TypeVar("T")

# Bounds how long the first writer of a group waits for the last.
_GROUP_LIMIT = 512


class Writer:
    """Owns a connection and commits groups of writes on it.

    A write is a function of the connection. It may run twice: when a group fails, each of its writes is tried
    again in a transaction of its own, so that only those which fail alone are refused.
    """

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        # A daemon: nothing in the queue was acknowledged, so a process that ends in a hurry need not wait for
        # it.
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        """Queue ``work``; its result is there once it is committed. The future raises ``OperatorError``.

        Cancelling the future before its turn drops the write; later it has no effect. Raises ``RuntimeError``
        when closed.
        """
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise RuntimeError("the journal is closed")
            self._queue.put(_Write(work, future))
        return future

    def close(self) -> None:
        """Commit what is queued, then close the connection. Blocks; harmless when called again."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            group, more = self._next_group()
            writes = [write for write in group if write.future.set_running_or_notify_cancel()]
            if not self._commit(writes):
                for write in writes:
                    self._commit([write])
        self._connection.close()

    def _next_group(self) -> tuple[list["_Write"], bool]:
        """Wait for a write, and take all others that are there too. False after the last one."""
        group: list[_Write] = []
        write = self._queue.get()
        while write is not None:
            group.append(write)
            if len(group) == _GROUP_LIMIT:
                return group, True
            try:
                write = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, writes: list["_Write"]) -> bool:
        """Commit ``writes`` together and settle their futures; if several fail, False with none settled."""
        if not writes:
            return True
        self._roll_back()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [write.work(self._connection) for write in writes]
            self._connection.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            if len(writes) > 1:
                return False
            writes[0].future.set_exception(self._shown(error))
            return True
        for write, result in zip(writes, results, strict=True):
            write.future.set_result(result)
        return True

    def _shown(self, error: Exception) -> Exception:
        """What the one who asked should see: a wrong value is their fault, all else the machine's."""
        if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)):
            return error
        if isinstance(error, (sqlite3.Error, OSError)):
            return describe_failure(error, self._folder)
        return error

    def _roll_back(self) -> None:
        # A failing disk may refuse this too. The thread must live on, and the next write tries again.
        with contextlib.suppress(sqlite3.Error):
            self._connection.rollback()


class _Write:
    __slots__ = ("future", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], future: "Future[Any]") -> None:
        self.work = work
        self.future = future
