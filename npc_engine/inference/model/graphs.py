"""Decoding by recorded graphs: at few rows, what takes time on a GPU is telling it what to do.

A graph is recorded for a number of rows and of keys, and serves all steps that fit: rows and keys beyond a step's own
are padding. It works on fixed memory: the slots, and the buffers that a step's numbers are put into.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch, Group
from npc_engine.inference.model.runner import Runner

_log = logging.getLogger(__name__)

_LEAST_KEYS = 256
"""Below so many keys a step reads weights and little else."""

Work = Callable[[], torch.Tensor]


class GraphedRunner:
    """``runner``, with recorded graphs for steps in which every slot decodes. See ``Runner``.

    ``capture`` is an ``Accelerator``'s. Such steps' rows are slots ``0 .. used``. Padding rows are the slots behind
    them, which nobody uses: what is written there is overwritten by whoever gets them.
    """

    def __init__(self, runner: Runner, capture: Callable[[Work], Work]) -> None:
        self.spec, self.dtype, self.device = runner.spec, runner.dtype, runner.device
        self._runner, self._capture = runner, capture
        self._graphs: dict[tuple[int, int], _Graph] = {}
        self._generation = -1
        self._refused = False

    @torch.inference_mode()
    def forward(self, batch: Batch, slots: Slots) -> torch.Tensor:
        """See Runner."""
        graph = self._graph(batch, slots) if _all_decode(batch, slots) else None
        if graph is None:
            return self._runner.forward(batch, slots)
        slots.await_all()
        graph.inputs.put(batch)
        # Also a copy: the next step writes its logits where these are.
        return graph.replay()[batch.sample_rows]

    def _graph(self, batch: Batch, slots: Slots) -> "_Graph | None":
        """The graph for a step like ``batch``, recorded if it is the first; None when none can be recorded."""
        if slots.generation != self._generation:
            self._graphs.clear()
            self._generation = slots.generation
        longest = max(group.keys for group in batch.groups)
        size = _bucket(1, slots.used, slots.slots), _bucket(_LEAST_KEYS, longest, slots.capacity)
        if size not in self._graphs and not self._refused:
            # A graph that waited for a load would wait for that one every time.
            slots.await_all()
            try:
                self._graphs[size] = self._record(*size, batch, slots)
            except RuntimeError:
                _log.exception("decoding can't be recorded as a graph; every step is told to the device anew")
                self._refused = True
        return self._graphs.get(size)

    def _record(self, rows: int, keys: int, batch: Batch, slots: Slots) -> "_Graph":
        inputs = _Inputs(*torch.zeros(2, rows, dtype=torch.long, device=self.device))
        # Recording runs the step, which must write nothing but what it is to write anyway.
        inputs.put(batch)
        places = torch.arange(rows, device=self.device)

        def work() -> torch.Tensor:
            # A new group every time: it keeps its mask, which must be made from the positions of this step.
            group = Group(
                first=0,
                size=rows,
                width=1,
                keys=keys,
                shared=0,
                row=0,
                count=rows,
                rows=None,
                scatter=None,
                visible=inputs.positions[:, None] + 1,
                even=False,
                fold=self.spec.group,
                dtype=self.dtype,
            )
            return self._runner.forward(Batch(*inputs, places, places, (group,)), slots)

        return _Graph(inputs, self._capture(work))


class _Inputs(NamedTuple):
    """What changes from step to step, int64 [rows]."""

    token_ids: torch.Tensor
    positions: torch.Tensor

    def put(self, batch: Batch) -> None:
        rows = len(batch.token_ids)
        for buffer, numbers in zip(self, (batch.token_ids, batch.positions), strict=True):
            # Padding rows repeat an earlier step's, within the same slots.
            buffer[:rows].copy_(numbers)


class _Graph(NamedTuple):
    """``replay`` computes the logits of all rows from ``inputs``."""

    inputs: _Inputs
    replay: Work


def _all_decode(batch: Batch, slots: Slots) -> bool:
    """Whether the batch is one token of every slot in use."""
    # Rows are in slot order, so as many as there are slots are all of them.
    return len(batch.token_ids) == slots.used and all(group.width == 1 for group in batch.groups)


def _bucket(least: int, size: int, most: int) -> int:
    """``size`` rounded up, so that few sizes serve all."""
    bucket = least
    while bucket < size:
        bucket *= 2
    return min(bucket, most)
