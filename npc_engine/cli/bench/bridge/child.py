"""Load that is made in a process of its own, so that making it slows nobody down who measures."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from npc_engine.errors import NpcEngineError

GO = "go\n"


class Child:
    """A module of this folder that runs: says that it is ready, waits for ``go``, and ends with a report."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ready(self) -> dict[str, Any]:
        """What it says before it begins."""
        return await self._line()

    async def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write(GO.encode())
        await self._process.stdin.drain()

    async def report(self) -> dict[str, Any]:
        """What it says when it is done."""
        return await self._line()

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise NpcEngineError("A process that made load ended early.", remedy="It wrote why to stderr.")
        return dict(json.loads(line))


@asynccontextmanager
async def child(module: str, *arguments: object) -> AsyncIterator[Child]:
    """Run ``module`` of this folder until the block is left."""
    name = f"{__package__}.{module}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        name,
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def tell(**report: Any) -> None:
    """In the child: say something to whoever started it."""
    print(json.dumps(report), flush=True)


async def wait_for_go() -> None:
    """In the child: until whoever started it lets it begin."""
    await asyncio.to_thread(sys.stdin.readline)
