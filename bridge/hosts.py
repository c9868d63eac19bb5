"""All sessions of a running server, with what runs for them: who comes, who comes back, and who is waited for."""

import asyncio
import logging
from collections.abc import Callable

from bridge.codec import Codec
from bridge.host import Host
from bridge.intents import GOING_AWAY, TAKEN_OVER
from bridge.log_feed import LogFeed
from bridge.protocol import Hello
from bridge.session import Rules, Session
from bridge.sessions import Sessions
from npc_engine.world.world import World

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 0.5
"""How often it is looked for sessions that are over. Nobody can come back to one meanwhile."""


class Hosts:
    """Every session of one server and its host. ``start`` before use, and ``close`` at the end.

    ``clients`` says how many are connected; at most ``most`` sessions are kept for clients that were cut off.
    ``patience`` is how many seconds cancelled requests get to end.
    """

    def __init__(self, world: World, rules: Rules, clients: Callable[[], int], *, most: int, patience: float) -> None:
        self._world, self._rules, self._clients, self._patience = world, rules, clients, patience
        self._log = LogFeed()
        self._sessions: Sessions[Host] = Sessions(rules.resume_window, most)
        self._sweeping: asyncio.Task[None] | None = None
        self._ends: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def start(self) -> None:
        """Begin to look for sessions that are over."""
        self._sweeping = asyncio.create_task(self._sweep())

    async def close(self, grace: float) -> None:
        """Let running requests end for ``grace`` seconds, cancel the rest, and say bye to everyone."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        await asyncio.gather(*(self._shut(host, grace) for host in self._sessions), *self._ends)

    def enter(self, codec: Codec | None) -> Host:
        """A host with a session of its own for a new connection."""
        session = Session(self._rules, codec=codec, now=_now())
        host = Host(session, self._world, self._log, self._clients, self._patience)
        self._sessions.add(host)
        return host

    def come_back(self, newcomer: Host, hello: Hello) -> Host:
        """The host of the session that ``hello`` asks for, attached; or ``newcomer``, begun, if that can't be."""
        assert hello.resume is not None
        last_seq = hello.resume.last_seq
        found = self._sessions.find(hello.resume.session, _now())
        if found is not None and found.line is not None and found.session.can_return(last_seq):
            found.line.part(found.session.part(TAKEN_OVER, "another connection goes on with this session", _now()))
        if found is None or not found.session.can_return(last_seq):
            newcomer.session.begin(hello)
            return newcomer
        found.session.attach(hello, newcomer.session)
        self._sessions.discard(newcomer)
        return found

    async def leave(self, host: Host, *, for_good: bool) -> None:
        """The connection of ``host``'s session is gone. ``for_good``: its client said so, or was told so."""
        host.line = None
        session = host.session
        session.detach(_now())
        if for_good or self._sessions.find(session.id, _now()) is None:
            session.hang_up(GOING_AWAY, "the client left")
            self._sessions.discard(host)
            await host.end()

    async def _shut(self, host: Host, grace: float) -> None:
        await host.drain(grace)
        host.session.hang_up(GOING_AWAY, "the server is shutting down")
        self._sessions.discard(host)
        host.wake()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            for host in self._sessions.expire(_now()):
                host.session.hang_up(GOING_AWAY, "nobody came back")
                self._ends.add(task := asyncio.create_task(host.end()))
                task.add_done_callback(self._ends.discard)


def _now() -> float:
    return asyncio.get_running_loop().time()
