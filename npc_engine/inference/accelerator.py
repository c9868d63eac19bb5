"""A device that works beside the processor: streams of work, events between them, and graphs of recorded work.

The seam to CUDA. Everything that orders work is written against these protocols, so that tests run it with streams
that are late on purpose.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch


class Event(Protocol):
    """A point in a stream's work."""

    def query(self) -> bool:
        """Whether the stream has come past it."""
        ...

    def synchronize(self) -> None:
        """Block the caller until it has."""
        ...


class Stream(Protocol):
    """Work that is done in the order in which it was queued, at some time."""

    def record_event(self) -> Event:
        """The point behind all that is queued now."""
        ...

    def wait_event(self, event: Any) -> None:
        """Whatever is queued from now on waits for ``event``, of the same kind of stream. Does not block the caller."""
        ...


class Accelerator(Protocol):
    """``compute`` is the stream that tensor operations use by themselves; ``load`` and ``save`` are for copies."""

    @property
    def compute(self) -> Stream: ...

    @property
    def load(self) -> Stream: ...

    @property
    def save(self) -> Stream: ...

    def run(self, stream: Stream, work: Callable[[], None]) -> None:
        """Queue the tensor operations of ``work`` on ``stream``."""
        ...

    def is_pinned(self, memory: torch.Tensor) -> bool:
        """Whether the device copies from and to ``memory`` by itself."""
        ...

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Such memory, of undefined content. RuntimeError when there is no more."""
        ...

    def capture(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """Record ``work``; what is returned does the same on the same memory, and gives the same tensor, every time.

        ``work`` may be run before, so it must do no harm twice. It must not look at numbers on the device. RuntimeError
        when it can't be recorded.
        """
        ...


class CudaAccelerator:
    """A CUDA device. See ``Accelerator``."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._compute = torch.cuda.default_stream(device)
        self._load, self._save, self._capture = (_new_stream(device) for _ in range(3))
        # All graphs share their memory: only one of them runs at a time, and its result is taken before the next.
        self._pool = torch.cuda.graph_pool_handle()

    @property
    def compute(self) -> Stream:
        return self._compute

    @property
    def load(self) -> Stream:
        return self._load

    @property
    def save(self) -> Stream:
        return self._save

    def run(self, stream: Stream, work: Callable[[], None]) -> None:
        """See Accelerator."""
        assert isinstance(stream, torch.cuda.Stream)
        with torch.cuda.stream(stream):
            work()

    def is_pinned(self, memory: torch.Tensor) -> bool:
        """See Accelerator."""
        return memory.is_pinned()

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """See Accelerator."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def capture(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """See Accelerator."""
        with torch.cuda.device(self._device):
            self._capture.wait_stream(self._compute)
            with torch.cuda.stream(self._capture):
                # Libraries allocate and tune when they are first used, which can't be recorded.
                work()
            graph = torch.cuda.CUDAGraph()
            # What other threads do to their own memory meanwhile is none of the graph's business.
            recording = torch.cuda.graph(
                graph, pool=self._pool, stream=self._capture, capture_error_mode="thread_local"
            )
            with recording:
                result = work()
        self._compute.wait_stream(self._capture)

        def replay() -> torch.Tensor:
            graph.replay()
            return result

        return replay


def _new_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def accelerator_of(device: torch.device) -> Accelerator | None:
    """The streams of ``device``; None for the processor, which does everything at once and in order."""
    return CudaAccelerator(device) if device.type == "cuda" else None
