"""Another engine to compare with: a server that runs already, or a command that starts one for the time it is measured.

A command is the fair way: whatever else runs takes processor time from what is measured, and an engine that waits in a
busy loop takes most of it.
"""

import asyncio
import shlex
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from npc_engine.cli.bench.chat import ChatServer
from npc_engine.cli.bench.ports import free_port
from npc_engine.errors import OperatorError

_STARTS_WITHIN = 300.0
_ENDS_WITHIN = 20.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Peer:
    """``where`` is a URL, or a command in which ``{port}`` stands for the port to listen on."""

    name: str
    where: str

    @property
    def runs_already(self) -> bool:
        """Whether someone else starts and ends it."""
        return self.where.startswith(("http://", "https://"))


def read_peer(text: str) -> Peer:
    """What ``--peer`` says. Raises OperatorError when it says something else."""
    name, _, where = text.partition("=")
    peer = Peer(name.strip(), where.strip())
    if peer.name and (peer.runs_already or "{port}" in peer.where):
        return peer
    raise OperatorError(
        f"--peer can't be {text!r}.",
        remedy="It should be NAME=http://127.0.0.1:8080/v1, or NAME='command --port {port}', which listens on "
        "127.0.0.1.",
    )


@asynccontextmanager
async def running(peer: Peer) -> AsyncIterator[str]:
    """The URL of the peer, ready to answer. A command is started, and ended with the block."""
    if peer.runs_already:
        yield peer.where
        return
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = await _start(peer, port, output.fileno())
        try:
            url = f"http://127.0.0.1:{port}/v1"
            await _until_ready(peer, url, process, log)
            yield url
        finally:
            await _end(process)


async def _start(peer: Peer, port: int, output: int) -> asyncio.subprocess.Process:
    command = shlex.split(peer.where.replace("{port}", str(port)))
    try:
        return await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    except OSError as error:
        raise OperatorError(
            f"The peer {peer.name} can't be started ({error}).", remedy=f"Check the command: {peer.where}"
        ) from error


async def _until_ready(peer: Peer, url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait for its first answer: some servers name their models long before they can answer."""
    began = time.perf_counter()
    while process.returncode is None and time.perf_counter() - began < _STARTS_WITHIN:
        try:
            async with ChatServer(url) as server:
                await server.ask([{"role": "user", "content": "Hello."}], 1)
                return
        except OperatorError:
            await asyncio.sleep(_POLL_SECONDS)
    raise OperatorError(f"The peer {peer.name} did not become ready.", remedy=f"It wrote last:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and all that it started."""
    family = _family(process.pid)
    for member in family:
        _signal(member, kill=False)
    try:
        await asyncio.wait_for(process.wait(), _ENDS_WITHIN)
    except TimeoutError:
        process.kill()
        await process.wait()
    # The first is asyncio's to wait for: whoever else does takes its exit code away.
    _, alive = await asyncio.to_thread(psutil.wait_procs, family[1:], _ENDS_WITHIN)
    for member in alive:
        _signal(member, kill=True)


def _family(pid: int) -> list[psutil.Process]:
    """The process, if it still runs, and then all that it started."""
    try:
        started = psutil.Process(pid)
        return [started, *started.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _signal(member: psutil.Process, *, kill: bool) -> None:
    try:
        (member.kill if kill else member.terminate)()
    except psutil.NoSuchProcess:
        return
