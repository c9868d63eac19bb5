"""Heavy work in a process of its own.

Conversion takes gigabytes and leaves libraries loaded that the engine never needs; a process gives all of it back when
it ends, and can be stopped at any moment. A child is a module with a ``main`` that calls ``serve_parent``. It writes
one JSON object per line: ``{"begin": text, "total": number, "unit": text}``, ``{"done": number}``, ``{"say": text}``,
or ``{"error": text, "remedy": text}``.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from npc_engine.errors import OperatorError
from npc_engine.inference.model.progress import Progress
from npc_engine.inference.model.room import disk_full, is_full_text

_POLL_SECONDS = 0.1
_LAST_WORDS_BYTES = 4096


def run_child(
    module: str,
    arguments: list[str],
    report: Progress,
    *,
    doing: str,
    writes: Path,
    environment: Mapping[str, str] | None = None,
    done: Callable[[], int] | None = None,
) -> None:
    """Run ``module`` to its end, passing on what it reports. ``done`` counts the bytes that it has written so far.

    Raises OperatorError with the child's own words, or, when it died without any, with what it was ``doing``, or with
    the folder that it ``writes`` when its disk is full.
    """
    with tempfile.TemporaryFile() as errors:
        # -P: whatever lies in the folder that the user happens to stand in must not shadow a module.
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONUTF8": "1", **(environment or {})},
        )
        failure = _listen(process, report, done)
        if process.returncode == 0 and failure is None:
            return
        if failure is not None:
            raise failure
        errors.seek(0)
        last_words = _tail(errors)
        raise disk_full(writes) if is_full_text(last_words) else _unexplained(process.returncode, last_words, doing)


def serve_parent(work: Callable[[], None]) -> int:
    """A child's ``main``: do ``work``, tell the parent what went wrong, and end when the parent does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work()
    except OperatorError as error:
        tell(error=error.message, remedy=error.remedy)
        return 1
    return 0


def tell(**message: Any) -> None:
    """Send one message to the parent."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Teller:
    """A Progress that passes everything on to the parent process."""

    def say(self, text: str) -> None:
        """See Progress."""
        tell(say=text)

    def begin(self, step: str, total: int | None = None, unit: str = "bytes") -> None:
        """See Progress."""
        tell(begin=step, total=total, unit=unit)

    def advance(self, done: int) -> None:
        """See Progress."""
        tell(done=done)


def _listen(process: subprocess.Popen[bytes], report: Progress, done: Callable[[], int] | None) -> OperatorError | None:
    """Pass on messages until the child ends; return the error that it explained, if any."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    assert process.stdout is not None
    assert process.stdin is not None
    reader = threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True)
    reader.start()
    failure = None
    try:
        while True:
            try:
                line = lines.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if done is not None:
                    report.advance(done())
                continue
            if line is None:
                break
            failure = _pass_on(line, report) or failure
        process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        reader.join()
        process.stdin.close()
        process.stdout.close()
    return failure


def _pass_on(line: bytes, report: Progress) -> OperatorError | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None  # a library printed something
    if not isinstance(message, dict):
        return None
    if "error" in message:
        return OperatorError(message["error"], remedy=message["remedy"])
    if "begin" in message:
        report.begin(message["begin"], message["total"], message["unit"])
    elif "say" in message:
        report.say(message["say"])
    elif "done" in message:
        report.advance(message["done"])
    return None


def _read_lines(stream: IO[bytes], lines: "queue.SimpleQueue[bytes | None]") -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _unexplained(code: int, last_words: str, doing: str) -> OperatorError:
    if code == -getattr(signal, "SIGKILL", 9) or "MemoryError" in last_words:
        return OperatorError(
            f"The system ended {doing}, most likely because memory ran out.",
            remedy="Close other programs, or choose a smaller model.",
        )
    reason = last_words.strip().splitlines()[-1] if last_words.strip() else f"exit status {code}"
    return OperatorError(
        f"{doing[0].upper()}{doing[1:]} failed: {reason.rstrip('.')}.",
        remedy="Try again; if it fails again, choose another model and report this one.",
    )


def _tail(errors: IO[bytes]) -> str:
    text = errors.read()
    return text[-_LAST_WORDS_BYTES:].decode("utf-8", "replace")


def _end_with_parent() -> None:
    # The parent holds the other end and never writes: this returns when the parent is gone, however it went. Not
    # through sys.stdin, whose lock this thread would still hold when the interpreter wants to close it.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
