"""Servers in processes of their own, with the default model, as a game meets them."""

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

from npc_engine.config import default_cache, example_worlds

STARTS_WITHIN = 60.0
ENDS_WITHIN = 30.0
COMMAND = [sys.executable, "-m", "npc_engine.cli"]


def environment() -> dict[str, str]:
    """The environment without the operator's own settings, but for the cache of models."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NPC_ENGINE_")}
    return {**kept, "NPC_ENGINE_CACHE": str(default_cache()), "NPC_ENGINE_PERSONAS": str(example_worlds())}


def run(*arguments: str, line: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=line,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=STARTS_WITHIN + ENDS_WITHIN,
    )


class Served:
    """``npc-engine serve`` in a process of its own, from when it listens until ``end`` or ``kill``."""

    def __init__(self, data: Path, *arguments: str, port: int = 0) -> None:
        command = [*COMMAND, "serve", "--port", str(port), "--http-port", "0", "--data", str(data), *arguments]
        self.process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.data = data
        self._errors: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=lambda: [self._lines.put(line) for line in self.process.stdout or ()], daemon=True),
            threading.Thread(target=lambda: self._errors.extend(self.process.stderr or ()), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        line = self.line()
        assert line.startswith("listening on ws://127.0.0.1:"), line
        self.url = line.split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def line(self) -> str:
        """The next line that it prints."""
        try:
            return self._lines.get(timeout=STARTS_WITHIN)
        except queue.Empty:
            self.kill()
            raise AssertionError(self.errors) from None

    @property
    def errors(self) -> str:
        return "".join(self._errors)

    def end(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process.poll() is None:
            self.process.kill()
        self._wait()

    def _wait(self) -> int:
        code = self.process.wait(ENDS_WITHIN)
        for reader in self._readers:
            reader.join(ENDS_WITHIN)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return code
