"""An accelerator on the processor whose streams do nothing before somebody has to wait for them.

So whatever is not waited for is late, and what depends on it reads what was there before.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from npc_engine.inference.accelerator import Event, Stream


@dataclass(frozen=True, slots=True)
class LateEvent:
    """Behind the first ``place`` pieces of a stream's work."""

    stream: "LateStream"
    place: int

    def query(self) -> bool:
        self.stream.accelerator.go_on()
        return self.stream.done >= self.place

    def synchronize(self) -> None:
        self.stream.run_to(self.place)


class LateStream:
    """``at_once``: work is not queued but done, as on a compute stream whose results the caller looks at."""

    def __init__(self, accelerator: "LateAccelerator", name: str, *, at_once: bool = False) -> None:
        self.accelerator, self.name, self.at_once = accelerator, name, at_once
        self.done = 0
        self._queue: deque[Callable[[], None]] = deque()

    def queue(self, work: Callable[[], None]) -> None:
        self._queue.append(work)
        if self.at_once:
            self.run_to(self.queued)

    @property
    def queued(self) -> int:
        return self.done + len(self._queue)

    def record_event(self) -> LateEvent:
        return LateEvent(self, self.queued)

    def wait_event(self, event: Event) -> None:
        assert not self.accelerator.recording, "a recorded wait would wait for the same event every time"
        assert isinstance(event, LateEvent)
        if (self.name, event.stream.name) != self.accelerator.forgets:
            self.queue(event.synchronize)

    def run_to(self, place: int) -> None:
        while self.done < place:
            # Not taken out before it is done: what it waits for may look here.
            self._queue[0]()
            self._queue.popleft()
            self.done += 1


class Recording(TorchDispatchMode):
    """Everything that is done inside, with the memory that it was done on."""

    def __init__(self) -> None:
        super().__init__()
        self._done: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func is not torch.ops.aten._local_scalar_dense.default, "a number was looked at on the device"
        result = func(*args, **(kwargs or {}))
        self._done.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        for func, args, kwargs, result in self._done:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                # A view, or what was changed in place, is in the old memory already.
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class LateAccelerator:
    """See ``Accelerator``. RAM is pinned if ``all_pinned``; ``pins`` is how many staging buffers can be.

    With ``random``, looking at an event lets a stream do some of its work, as time would; without, nothing is ever done
    before it is waited for. ``compute_late``: computing is queued like copies. ``forgets`` names two streams: the first
    does not wait for the second when it is told to.
    """

    def __init__(
        self,
        random: Random | None = None,
        *,
        all_pinned: bool = True,
        pins: int = 1000,
        compute_late: bool = False,
        forgets: tuple[str, str] | None = None,
    ) -> None:
        self.compute: LateStream = LateStream(self, "compute", at_once=not compute_late)
        self.load: LateStream = LateStream(self, "load")
        self.save: LateStream = LateStream(self, "save")
        self.forgets = forgets
        self.captured = self.replayed = 0
        self.recording = False
        self._random, self._all_pinned, self._pins = random, all_pinned, pins
        self._pinned: set[int] = set()

    def run(self, stream: Stream, work: Callable[[], None]) -> None:
        assert isinstance(stream, LateStream)
        stream.queue(work)

    def is_pinned(self, memory: torch.Tensor) -> bool:
        return self._all_pinned

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        if not self._pins:
            raise RuntimeError("no more memory can be pinned")
        self._pins -= 1
        return torch.full(shape, float("nan"), dtype=dtype)

    def capture(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """Records which kernels run on which memory, and runs them again."""
        self.captured, self.recording = self.captured + 1, True
        try:
            work()
            with Recording() as recording:
                result = work()
        finally:
            self.recording = False

        def replay() -> torch.Tensor:
            self.replayed += 1
            recording.replay()
            return result

        return replay

    def go_on(self) -> None:
        """Time passes."""
        if self._random is None:
            return
        stream = self._random.choice((self.load, self.save))
        if stream.queued > stream.done and self._random.random() < 0.5:
            stream.run_to(stream.done + 1)
