"""``npc-engine serve`` in a process of its own: how to reach it, what it takes, and how it ends."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from npc_engine.cli.bench.ports import free_port
from npc_engine.errors import OperatorError

_STARTS_WITHIN = 180.0


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A running server: where its WebSocket and its HTTP are, its process, and the seconds it took to listen.

    ``http_url`` is what comes before ``/chat/completions``. ``log`` is the file with what it wrote to stderr.
    """

    url: str
    http_url: str
    process: psutil.Process
    start_seconds: float
    log: Path

    @property
    def resident(self) -> int:
        """Bytes of memory that the process holds now."""
        return int(self.process.memory_info().rss)

    def written(self) -> str:
        """What it wrote to stderr until now."""
        return _read(self.log)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()


@asynccontextmanager
async def own_server(data: Path, *options: str) -> AsyncIterator[OwnServer]:
    """Start a server on free ports that keeps everything in ``data``, with more ``options``; end it with the block."""
    command = [sys.executable, "-m", "npc_engine.cli", "serve", "--port", "0", "--http-port", str(free_port())]
    command += ["--data", str(data), *options]
    log = data.with_suffix(".log")
    began = time.perf_counter()
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=errors, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
    try:
        assert process.stdout is not None
        urls = await asyncio.wait_for(_urls(process.stdout), _STARTS_WITHIN)
        if urls is None:
            raise OperatorError("The server did not start.", remedy=f"It wrote:\n{_read(log)}")
        yield OwnServer(*urls, psutil.Process(process.pid), time.perf_counter() - began, log)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _urls(lines: asyncio.StreamReader) -> tuple[str, str] | None:
    """Where the server says that it listens: by WebSocket and by HTTP. None if it ends without saying so."""
    said = ""
    while line := await lines.readline():
        said += line.decode()
        socket, http = re.search(r"ws://\S+", said), re.search(r"http://\S+", said)
        if socket and http:
            return socket[0], http[0]
    return None


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
