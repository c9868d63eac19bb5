"""One step's worth of work, as tensors: which rows run, where their KV goes, and who attends to what.

Rows of all requests lie one after another. A *span* is one request's rows. Spans whose slots are neighbours and whose
shapes are alike form a *group*, whose attention is one kernel call over a view of the slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

# Cost model of one attention call in microseconds, fitted to the folded kernels on two AVX-512 cores: a call, a key
# read for a slot, a query-key pair. Only the ratios matter: they decide when padding is cheaper than another call.
CALL_COST, KEY_COST, PAIR_COST = 25.0, 0.032, 0.006

WORTH_SHARING = 64
"""Keys that neighbours must have in common for attention to read them once for all."""


@dataclass(frozen=True, slots=True)
class Span:
    """Rows ``start .. start + length`` of the request in ``slot``; the logits of the last ``sample`` rows are wanted.

    ``alike``: how many leading tokens it has in common with the request in the slot before.
    """

    slot: int
    start: int
    length: int
    sample: int
    alike: int = 0

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True)
class Group:
    """Attention of slots ``first .. first + size`` in one call.

    ``width`` query positions per slot over ``keys`` cached positions. ``rows`` int64 [size * width] are the batch rows
    that fill the queries (short spans repeat their last row), or None when they are ``row .. row + size * width``.
    ``scatter`` int64 are the positions in the padded output that go back to the rows, in row order, or None.
    The first ``shared`` keys are the same in every slot, and every query sees them. ``visible`` int64 [size, width]:
    how many of the keys each query sees; with ``window``, only the last so many of them.
    ``fold`` query heads share a KV head, and are query positions to the kernel.
    """

    first: int
    size: int
    width: int
    keys: int
    shared: int
    row: int
    count: int
    rows: torch.Tensor | None
    scatter: torch.Tensor | None
    visible: torch.Tensor
    even: bool
    fold: int
    dtype: torch.dtype
    window: int | None = None
    _whole_masks: dict[tuple[int, int], torch.Tensor] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def mask(self) -> torch.Tensor | None:
        """Additive, [size, 1, width * fold, keys - shared], or None when every query sees every key.

        For kernels that don't go by ``visible``; made when one first asks.
        """
        if self.window is None and self.width == 1 and self.even:
            return None
        places = torch.arange(self.shared, self.keys, device=self.visible.device)
        ends = self.visible[:, :, None]
        hidden = places >= ends
        if self.window is not None:
            hidden |= places < ends - self.window
        mask = torch.zeros(hidden.shape, dtype=self.dtype, device=hidden.device).masked_fill_(hidden, float("-inf"))
        if self.width > 1:
            mask = mask.repeat_interleave(self.fold, dim=1)
        return mask.unsqueeze(1)

    def whole_mask(self, rows: int, keys: int) -> torch.Tensor:
        """Additive, [size, 1, rows, keys], over all keys, shared ones too; both numbers may be larger than they are.

        What is behind the last key is hidden, and rows behind the last see what that sees. Made once.
        """
        if (rows, keys) not in self._whole_masks:
            query = torch.arange(rows, device=self.visible.device).floor_divide_(self.fold).clamp_(max=self.width - 1)
            ends = self.visible[:, query, None]
            places = torch.arange(keys, device=self.visible.device)
            hidden = places >= ends
            if self.window is not None:
                hidden |= places < ends - self.window
            mask = torch.zeros(hidden.shape, dtype=self.dtype, device=hidden.device)
            self._whole_masks[rows, keys] = mask.masked_fill_(hidden, float("-inf")).unsqueeze(1)
        return self._whole_masks[rows, keys]


@dataclass(frozen=True, slots=True)
class Batch:
    """``token_ids``, ``positions``, ``slots``: int64 [rows]. ``sample_rows``: int64, those whose logits are wanted."""

    token_ids: torch.Tensor
    positions: torch.Tensor
    slots: torch.Tensor
    sample_rows: torch.Tensor
    groups: tuple[Group, ...]

    def within(self, window: int) -> "Batch":
        """The same batch for a layer in which a query sees only the last ``window`` positions, its own included.

        All KV is stored all the same: that keeps sharing simple, and the mask does the rest.
        """
        narrow = (g if g.keys <= window else replace(g, window=window, shared=0) for g in self.groups)
        return replace(self, groups=tuple(narrow))


def make_batch(
    spans: Sequence[Span], token_ids: Sequence[int], *, fold: int, dtype: torch.dtype, device: torch.device
) -> Batch:
    """Build a batch from ``spans``, ordered by slot, and their token ids, concatenated in that order.

    ``fold``: query heads per KV head; ``dtype``: of the masks, the model's.
    """
    positions = [p for span in spans for p in range(span.start, span.end)]
    slots = [span.slot for span in spans for _ in range(span.length)]
    sample_rows: list[int] = []
    row, first_rows = 0, []
    for span in spans:
        first_rows.append(row)
        row += span.length
        sample_rows.extend(range(row - span.sample, row))
    groups, at = [], 0
    for run in partition(spans):
        rows = first_rows[at : at + len(run.spans)]
        groups.append(_group(run, rows, fold, dtype, device))
        at += len(run.spans)

    def tensor(values: Sequence[int]) -> torch.Tensor:
        return on_device(torch.tensor(values, dtype=torch.long), device)

    return Batch(tensor(token_ids), tensor(positions), tensor(slots), tensor(sample_rows), tuple(groups))


def on_device(numbers: torch.Tensor, device: torch.device) -> torch.Tensor:
    """``numbers``, made on the processor, for ``device``, which takes them without being waited for."""
    if device.type != "cuda":
        return numbers.to(device)
    return numbers.pin_memory().to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring spans, summed up: what one attention call over all of them costs depends on no more."""

    spans: tuple[Span, ...]
    width: int
    keys: int
    shared: int

    @staticmethod
    def of(span: Span) -> "_Run":
        return _Run((span,), span.length, span.end, span.start)

    def joined(self, span: Span) -> "_Run":
        shared = min(self.shared, span.start, span.alike)
        return _Run((*self.spans, span), max(self.width, span.length), max(self.keys, span.end), shared)

    @property
    def common(self) -> int:
        """Keys that all have in common and had before this step, if they are worth a product of their own."""
        return self.shared if len(self.spans) > 1 and self.shared >= WORTH_SHARING else 0

    @property
    def cost(self) -> float:
        own, size = self.keys - self.common, len(self.spans)
        pairs = size * self.keys * self.width
        return CALL_COST * (2 if self.common else 1) + (size * own + self.common) * KEY_COST + pairs * PAIR_COST


def partition(spans: Sequence[Span]) -> list[_Run]:
    """Split spans, ordered by slot, into runs for which padding costs less than a call of its own."""
    runs: list[_Run] = []
    for span in spans:
        alone = _Run.of(span)
        if runs and span.slot == runs[-1].spans[-1].slot + 1:
            joined = runs[-1].joined(span)
            if joined.cost <= runs[-1].cost + alone.cost:
                runs[-1] = joined
                continue
        runs.append(alone)
    return runs


def _group(run: _Run, rows: Sequence[int], fold: int, dtype: torch.dtype, device: torch.device) -> Group:
    spans, width = run.spans, run.width
    count = sum(s.length for s in spans)
    gather = scatter = None
    if any(s.length != width for s in spans):
        steps = torch.arange(width)
        lengths = torch.tensor([s.length for s in spans])
        gather = torch.tensor(rows)[:, None] + torch.minimum(steps[None], lengths[:, None] - 1)
        scatter = on_device(torch.nonzero((steps[None] < lengths[:, None]).flatten()).flatten(), device)
        gather = on_device(gather.flatten(), device)
    visible = torch.tensor([[min(s.start + i, s.end - 1) + 1 for i in range(width)] for s in spans])
    return Group(
        first=spans[0].slot,
        size=len(spans),
        width=width,
        keys=run.keys,
        shared=run.common,
        row=rows[0],
        count=count,
        rows=gather,
        scatter=scatter,
        visible=on_device(visible, device),
        even=all(s.end == run.keys for s in spans),
        fold=fold,
        dtype=dtype,
    )
