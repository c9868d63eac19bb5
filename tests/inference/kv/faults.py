"""A disk that fails when it is told to."""

import sqlite3
from collections.abc import Iterable
from typing import Any

ERRORS: tuple[Exception, ...] = (
    sqlite3.OperationalError("database or disk is full"),
    sqlite3.OperationalError("disk I/O error"),
    sqlite3.DatabaseError("database disk image is malformed"),
    MemoryError("no memory"),
)

_connect = sqlite3.connect


class Faults:
    """Counts the calls to the disk, and lets one or all from one on fail."""

    def __init__(self) -> None:
        self.calls = 0
        self.clear()

    def clear(self) -> None:
        """Let nothing fail any more."""
        self._at, self._for_ever = 0, False
        self._error: Exception = ERRORS[0]

    def fail_after(self, calls: int, error: Exception, *, for_ever: bool = False) -> None:
        """Let the ``calls``-th call from now on fail, or all from that one on."""
        self._at, self._error, self._for_ever = self.calls + calls, error, for_ever

    def call(self) -> None:
        """Something is about to be asked of the disk."""
        self.calls += 1
        if self._at and (self.calls == self._at or (self._for_ever and self.calls > self._at)):
            raise type(self._error)(*self._error.args)

    def connect(self, *args: Any, **kwargs: Any) -> "_Connection":
        """In place of ``sqlite3.connect``."""
        self.call()
        return _Connection(_connect(*args, **kwargs), self)


class _Connection:
    def __init__(self, real: sqlite3.Connection, faults: Faults) -> None:
        self._real, self._faults = real, faults

    def execute(self, text: str, parameters: Iterable[Any] = ()) -> "_Cursor":
        self._faults.call()
        return _Cursor(self._real.execute(text, tuple(parameters)), self._faults)

    def executescript(self, text: str) -> None:
        self._faults.call()
        self._real.executescript(text)

    def commit(self) -> None:
        self._faults.call()
        self._real.commit()

    def rollback(self) -> None:
        self._real.rollback()

    def close(self) -> None:
        self._real.close()

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._real.rollback()
            return
        try:
            self.commit()
        except BaseException:
            self._real.rollback()
            raise


class _Cursor:
    def __init__(self, real: sqlite3.Cursor, faults: Faults) -> None:
        self._real, self._faults = real, faults

    @property
    def lastrowid(self) -> int | None:
        return self._real.lastrowid

    def fetchone(self) -> Any:
        self._fetch()
        return self._real.fetchone()

    def fetchall(self) -> list[Any]:
        self._fetch()
        return self._real.fetchall()

    def _fetch(self) -> None:
        try:
            self._faults.call()
        except BaseException:
            # SQLite ends a statement that failed.
            self._real.close()
            raise

    def close(self) -> None:
        self._real.close()

    def __iter__(self) -> Any:
        for row in self._real:
            self._fetch()
            yield row
