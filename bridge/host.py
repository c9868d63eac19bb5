"""Carries out what one session's client asked for, whichever connection it has, or while it has none."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from bridge.errand import run_errand
from bridge.intents import Part, Start, Stop, Watch
from bridge.log_feed import LogFeed
from bridge.protocol import AnyAnswer, AnyRequest, Topic
from bridge.session import Session
from bridge.states import State
from bridge.translate import from_change, from_stats
from npc_engine.world.actions import ActionBook
from npc_engine.world.world import World

logger = logging.getLogger(__name__)

STATS_SECONDS = 1.0
"""Between two ``stats`` to one who subscribed to them."""

_Unwatch = Callable[[], object]


class Line(Protocol):
    """A connection as its session's host sees it."""

    def wake(self) -> None:
        """The session has something to say, or is over."""
        ...

    def part(self, part: Part) -> None:
        """The session has left this connection: send no more of it."""
        ...


class Host:
    """The tasks of one session, one per open request, and what tells it about the topics that it subscribed to.

    What they say goes into the session without waiting. ``line`` is whoever sends it, while anybody does. ``clients``
    says how many are connected. ``patience`` is how many seconds cancelled requests get to end.
    """

    def __init__(
        self, session: Session, world: World, log: LogFeed, clients: Callable[[], int], patience: float
    ) -> None:
        self._session = session
        self._world = world
        self._clients = clients
        self._patience = patience
        self.line: Line | None = None
        self._topics: Mapping[Topic, Callable[[], _Unwatch]] = {
            "stats": lambda: asyncio.create_task(self._tell_stats()).cancel,
            "npc": lambda: world.watch(lambda change: self._post(from_change(change))),
            "log": lambda: log.watch(self._post),
        }
        self._watching = ExitStack()
        self._errands: dict[int | str, asyncio.Task[None]] = {}
        self._book = ActionBook()

    @property
    def session(self) -> Session:
        """The session that it works for."""
        return self._session

    def obey(self, intent: Start | Stop | Watch) -> None:
        """Carry out what the session wants."""
        match intent:
            case Start(request, id, after):
                earlier = [self._errands[other] for other in after]
                self._errands[id] = asyncio.create_task(self._run(request, id, earlier))
            case Stop(id):
                # Not at once: a task that is cancelled before its first step would never answer.
                asyncio.get_running_loop().call_soon(self._errands[id].cancel)
            case Watch(topics):
                self._watch(topics)

    def wake(self) -> None:
        """Tell whoever sends the session's messages that there are some, or that it is over."""
        if self.line is not None:
            self.line.wake()

    async def drain(self, grace: float) -> None:
        """Start nothing new, let running requests end for ``grace`` seconds, cancel the rest."""
        self._session.drain()
        if self._errands and self._session.state is not State.CLOSED:
            await asyncio.wait(self._errands.values(), timeout=grace)
        await self.end()

    async def end(self) -> None:
        """Cancel all that runs, and see it end."""
        self._watch(frozenset())
        await asyncio.sleep(0)  # for those that haven't had their first step: see Stop
        errands = set(self._errands.values())
        for errand in errands:
            errand.cancel()
        if errands:
            _, stuck = await asyncio.wait(errands, timeout=self._patience)
            if stuck:
                logger.error("%d cancelled requests of session %s don't end", len(stuck), self._session.name)

    def _watch(self, topics: frozenset[Topic]) -> None:
        with ExitStack() as watching:
            for topic in topics:
                watching.callback(self._topics[topic]())
            # Of a topic that stays nothing is missed: the new ones have begun.
            self._watching.close()
            self._watching = watching.pop_all()

    async def _tell_stats(self) -> None:
        try:
            while True:
                if self._session.state is State.READY:
                    self._post(from_stats(await self._world.stats(), self._clients()))
                await asyncio.sleep(STATS_SECONDS)
        except Exception:
            logger.exception("session %s gets no more stats", self._session.name)

    async def _run(self, request: AnyRequest, id: int | str, earlier: Sequence[asyncio.Task[None]]) -> None:
        succeeded = False
        try:
            succeeded = await run_errand(
                self._world, request, id, self._post, earlier, sessions=self._clients, book=self._book
            )
        finally:
            self._session.finish(id, succeeded=succeeded)
            del self._errands[id]

    def _post(self, message: AnyAnswer) -> None:
        loop = asyncio.get_running_loop()
        self._session.post(message, loop.time())
        self.wake()
        if self._session.state is State.CLOSED:
            # More came than may be kept for a client that is away: nobody will hear the rest.
            for errand in self._errands.values():
                loop.call_soon(errand.cancel)
