"""The engine's thread: it alone owns model and device memory. The event loop and it exchange messages, nothing else."""

import asyncio
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TypeVar

from npc_engine.errors import LimitExceeded, NpcEngineError, Overloaded
from npc_engine.inference.engine import Engine
from npc_engine.inference.pace import Pace
from npc_engine.inference.request import Budgets, CacheState, EngineStats, FinishReason, Output, Request, Timings, Usage

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

MAX_OPEN = 1024
"""Requests that may wait at once. Beyond it a newcomer would wait for minutes: better to say so."""

_WRITE_SECONDS, _CHECK_SECONDS, _TRIM_SECONDS = 0.1, 2.0, 10.0
"""How long nothing may have been computed before writing to disk, which would slow down an answer that follows at
once; before looking over the kept state, which takes a while; and before giving back memory."""

_STALL_SECONDS = 0.1
"""While the disk is busy, or nothing may be generated, deadlines pass, and the time that a tier may be over its budget:
look at them that often."""

_GAP_SECONDS, _GATHER_SECONDS = 0.001, 0.005
"""Who asks within such a gap of another is read in one step with him, and that no step is held up for longer."""

_FORGET_ATTEMPTS, _FORGET_SECONDS = 200, 0.02
"""How often it is tried to delete what is read, written or used at the moment, and how long is waited between."""


class EngineThread:
    """Runs ``Engine.step`` for as long as there is work. A ``Generator`` for any number of event loops.

    Call ``start`` before and ``stop`` after use, or use it as a context manager.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._commands: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._stopping = self._ended = self._disk_answered = False
        self._listeners: dict[str, Callable[[Output], None]] = {}
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._numbers = itertools.count()
        self._last_step = time.monotonic()
        self._pace = Pace()
        # What is still to be done in this pause: each says whether it is done with.
        self._duties: list[Callable[[], bool]] = []

    def start(self) -> None:
        """Start the thread."""
        self._engine.on_disk(self._hear_disk)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the step it is in. Requests that are open end with it."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def __enter__(self) -> "EngineThread":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def generate(self, request: Request) -> AsyncGenerator[Output, None]:
        """See Generator. Raises LimitExceeded for a prompt that does not fit, Overloaded when too many wait.

        ValueError is the caller's fault: an id that is in use.
        """
        self._check(request)
        loop = asyncio.get_running_loop()
        outputs: asyncio.Queue[Output] = asyncio.Queue()

        def deliver(output: Output) -> None:
            loop.call_soon_threadsafe(outputs.put_nowait, output)

        if not self._post(lambda: self._submit(request, deliver)):
            raise _shutting_down()
        finished = False
        try:
            while not finished:
                output = await outputs.get()
                finished = output.finish is not None
                yield output
        finally:
            if not finished:
                self._post(lambda: self._engine.cancel(request.id))

    async def cache_state(self, prompt: tuple[int, ...]) -> CacheState:
        """What is kept of ``prompt``'s attention state."""
        return await self.ask(lambda engine: engine.cache_state(prompt))

    async def prefetch(self, prompt: tuple[int, ...], within: float) -> None:
        """See Generator."""
        await self.ask(lambda engine: engine.prefetch(prompt, within))

    async def forget(self, prompt: tuple[int, ...], shared: int, keep: Sequence[tuple[int, ...]]) -> None:
        """See Generator."""
        for _ in range(_FORGET_ATTEMPTS):
            if await self.ask(lambda engine: engine.forget_beyond(prompt, shared, keep)):
                return
            await asyncio.sleep(_FORGET_SECONDS)
        _log.warning("attention state that shall be deleted is still in use; it goes when there is no more room for it")

    async def set_budgets(self, budgets: Budgets) -> None:
        """See Generator."""

        def change(engine: Engine) -> None:
            engine.set_budgets(budgets)
            if budgets.tokens_per_second is not None:
                self._pace.limit(budgets.tokens_per_second)

        await self.ask(change)

    async def stats(self) -> EngineStats:
        """See Generator."""
        return await self.ask(lambda engine: engine.stats())

    async def ask(self, question: Callable[[Engine], _T]) -> _T:
        """Run ``question`` on the engine's thread between two steps and return its answer."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()

        def settle(method: Callable[[_T], None] | Callable[[BaseException], None], value: object) -> None:
            if not answer.done():
                method(value)  # type: ignore[arg-type]

        def run() -> None:
            try:
                value = question(self._engine)
            except Exception as error:
                loop.call_soon_threadsafe(settle, answer.set_exception, error)
            else:
                loop.call_soon_threadsafe(settle, answer.set_result, value)

        if not self._post(run):
            raise _shutting_down()
        return await answer

    @property
    def max_context(self) -> int:
        """See Generator."""
        return self._engine.max_context

    def new_id(self) -> str:
        """A request id that no other request of this engine has."""
        return f"r{next(self._numbers)}"

    def _check(self, request: Request) -> None:
        if self._stopping:
            raise _shutting_down()
        if request.id in self._listeners:
            raise ValueError(f"the request id {request.id!r} is in use: take one from new_id")
        most = self._engine.max_context - request.sampling.max_tokens
        if not 0 < len(request.prompt) <= most:
            raise LimitExceeded(
                f"A prompt of {len(request.prompt)} tokens does not fit: with {request.sampling.max_tokens} tokens of "
                f"reply there is room for {most}.",
                remedy="Send less text, or start the server with a larger max_context.",
            )
        if (highest := max(request.prompt)) >= self._engine.vocab:
            raise LimitExceeded(
                f"The token {highest} is none of the model's, which has {self._engine.vocab}.",
                remedy="Send the ids of its own tokenizer.",
            )
        if len(self._listeners) >= MAX_OPEN:
            raise Overloaded(
                f"{MAX_OPEN} requests are waiting already.", remedy="Ask again later.", retry_after_ms=2000
            )

    def _post(self, command: Callable[[], None]) -> bool:
        """Hand a command to the thread. False when it has ended and nobody will obey."""
        with self._wake:
            if self._ended:
                return False
            self._commands.append(command)
            self._wake.notify()
            return True

    def _submit(self, request: Request, deliver: Callable[[Output], None]) -> None:
        try:
            self._engine.submit(request)
        except Exception as error:
            _log.exception("a request could not be taken")
            deliver(_failed(request.id, repr(error)))
        else:
            self._listeners[request.id] = deliver

    def _loop(self) -> None:
        try:
            self._work()
        except BaseException as error:  # nobody is above this thread to hear of it
            _log.critical("the engine's thread died; restart the server", exc_info=True)
            self._stopping = True
            self._fail_all(repr(error))

    def _work(self) -> None:
        while not self._stopping:
            self._obey()
            if not self._engine.has_work:
                self._rest()
                continue
            if pause := self._pace.pause(time.monotonic()):
                self._pause(pause)
                continue
            if self._engine.stalled:
                self._wait(_STALL_SECONDS)
            outputs = self._engine.step()
            self._last_step = time.monotonic()
            self._pace.spend(sum(len(output.token_ids) for output in outputs), self._last_step)
            for output in outputs:
                self._deliver(output)
            self._duties = [self._write, self._check_state, self._trim]
        self._fail_all("the engine was stopped")
        self._engine.close()

    def _pause(self, seconds: float) -> None:
        """Generate nothing for a moment, of at most ``seconds``; whoever gives up is let go all the same."""
        self._engine.poll()
        self._wait(min(seconds, _STALL_SECONDS))
        for output in self._engine.sweep():
            self._deliver(output)

    def _rest(self) -> None:
        """Do what is due for an engine that has been idle so long, then wait for what is due next, or for work."""
        self._engine.poll()
        idle = time.monotonic() - self._last_step
        after = (_WRITE_SECONDS, _CHECK_SECONDS, _TRIM_SECONDS)
        while self._duties and after[-len(self._duties)] <= idle:
            if not self._duties[0]():
                self._wait(_STALL_SECONDS)  # for the disk
                return
            self._duties.pop(0)
        self._wait(after[-len(self._duties)] - idle if self._duties else None)
        self._gather()

    def _write(self) -> bool:
        return not (self._engine.write_down() or self._engine.awaits_disk)

    def _wait(self, seconds: float | None) -> None:
        """Until someone wants something, the disk has answered, or ``seconds`` have passed."""
        with self._wake:
            self._wake.wait_for(lambda: bool(self._commands) or self._stopping or self._disk_answered, seconds)
            self._disk_answered = False

    def _gather(self) -> None:
        """Give those who ask at the same moment the time to: behind the first one's step all others would wait."""
        until = time.monotonic() + _GATHER_SECONDS
        with self._wake:
            asked = 0
            while asked < len(self._commands) and time.monotonic() < until:
                asked = len(self._commands)
                self._wake.wait(_GAP_SECONDS)

    def _check_state(self) -> bool:
        try:
            self._engine.check_integrity()
        except AssertionError:
            _log.critical("kept attention state is inconsistent; all of it is dropped", exc_info=True)
            self._engine.forget()
        return True

    def _trim(self) -> bool:
        self._engine.trim()
        return True

    def _hear_disk(self) -> None:
        with self._wake:
            self._disk_answered = True
            self._wake.notify()

    def _obey(self) -> None:
        while self._commands:
            try:
                self._commands.popleft()()
            except Exception:
                _log.exception("a command to the engine failed")

    def _deliver(self, output: Output) -> None:
        deliver = self._listeners[output.request_id]
        if output.finish is not None:
            del self._listeners[output.request_id]
        try:
            deliver(output)
        except RuntimeError:  # that event loop has closed: nobody listens any more
            self._engine.cancel(output.request_id)

    def _fail_all(self, error: str) -> None:
        with self._wake:
            self._ended = True
        self._obey()
        for request_id in list(self._listeners):
            self._deliver(_failed(request_id, error))


def _failed(request_id: str, error: str) -> Output:
    return Output(request_id, Usage(), Timings(), finish=FinishReason.ERROR, error=error)


def _shutting_down() -> NpcEngineError:
    return NpcEngineError("The engine is shutting down.", remedy="Connect again when it is back.")
