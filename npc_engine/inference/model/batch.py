"""One step's worth of work, as tensors: which rows run, where their KV goes, and who attends to what.

Rows of all requests lie one after another. A *span* is one request's rows. Spans whose slots are neighbours and whose
shapes are alike form a *group*, whose attention is one kernel call over a view of the slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

# Cost model of one attention call in microseconds, fitted to the folded kernels on two AVX-512 cores: a call, a key
# read for a slot, a query-key pair. Only the ratios matter: they decide when padding is cheaper than another call.
CALL_COST, KEY_COST, PAIR_COST = 25.0, 0.032, 0.006


@dataclass(frozen=True, slots=True)
class Span:
    """Rows ``start .. start + length`` of the request in ``slot``; ``sample`` if its last row's logits are wanted."""

    slot: int
    start: int
    length: int
    sample: bool

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Group:
    """Attention of slots ``first .. first + size`` in one call.

    ``width`` query positions per slot over ``keys`` cached positions. ``rows`` int64 [size * width] are the batch rows
    that fill the queries (short spans repeat their last row), or None when they are ``row .. row + size * width``.
    ``scatter`` int64 are the positions in the padded output that go back to the rows, in row order, or None.
    ``mask`` is additive, [size, 1, width * fold, keys], or None when every query sees every key; ``fold`` query heads
    share a KV head, and are query positions to the kernel.
    """

    first: int
    size: int
    width: int
    keys: int
    row: int
    count: int
    rows: torch.Tensor | None
    scatter: torch.Tensor | None
    mask: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class Batch:
    """``token_ids``, ``positions``, ``slots``: int64 [rows]. ``sample_rows``: int64, one per sampling span.

    ``mask_dtype`` is the masks', the model's.
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    slots: torch.Tensor
    sample_rows: torch.Tensor
    groups: tuple[Group, ...]
    mask_dtype: torch.dtype

    def within(self, window: int, *, heads_per_kv: int) -> "Batch":
        """The same batch for a layer in which a query sees only the last ``window`` positions, its own included.

        All KV is stored all the same: that keeps sharing simple, and the mask does the rest.
        """
        return replace(self, groups=tuple(self._windowed(group, window, heads_per_kv) for group in self.groups))

    def _windowed(self, group: Group, window: int, fold: int) -> Group:
        if group.keys <= window:
            return group
        rows = slice(group.row, group.row + group.count) if group.rows is None else group.rows
        oldest = self.positions[rows].view(group.size, group.width, 1) - window
        hidden = torch.arange(group.keys, device=oldest.device) <= oldest
        mask = torch.zeros(hidden.shape, dtype=self.mask_dtype, device=oldest.device)
        mask = mask.masked_fill_(hidden, float("-inf"))
        if group.width > 1:
            mask = mask.repeat_interleave(fold, dim=1)
        mask = mask.unsqueeze(1)
        return replace(group, mask=mask if group.mask is None else group.mask + mask)


def make_batch(
    spans: Sequence[Span], token_ids: Sequence[int], *, fold: int, dtype: torch.dtype, device: torch.device
) -> Batch:
    """Build a batch from ``spans``, ordered by slot, and their token ids, concatenated in that order.

    ``fold``: query heads per KV head; ``dtype``: of the masks, the model's.
    """
    positions = [p for span in spans for p in range(span.start, span.end)]
    slots = [span.slot for span in spans for _ in range(span.length)]
    sample_rows, row, first_rows = [], 0, []
    for span in spans:
        first_rows.append(row)
        row += span.length
        if span.sample:
            sample_rows.append(row - 1)
    groups, at = [], 0
    for members in partition(spans):
        rows = first_rows[at : at + len(members)]
        groups.append(_group(members, rows, fold, dtype, device))
        at += len(members)

    def tensor(values: Sequence[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    return Batch(tensor(token_ids), tensor(positions), tensor(slots), tensor(sample_rows), tuple(groups), dtype)


def partition(spans: Sequence[Span]) -> list[list[Span]]:
    """Split spans, ordered by slot, into runs for which padding costs less than a call of its own."""
    runs: list[list[Span]] = []
    for span in spans:
        run = runs[-1] if runs else []
        if run and span.slot == run[-1].slot + 1 and _cost([*run, span]) <= _cost(run) + _cost([span]):
            run.append(span)
        else:
            runs.append([span])
    return runs


def _cost(run: Sequence[Span]) -> float:
    keys, width = max(s.end for s in run), max(s.length for s in run)
    return CALL_COST + len(run) * keys * (KEY_COST + PAIR_COST * width)


def _group(run: Sequence[Span], rows: Sequence[int], fold: int, dtype: torch.dtype, device: torch.device) -> Group:
    width, keys = max(s.length for s in run), max(s.end for s in run)
    count = sum(s.length for s in run)
    gather = scatter = None
    if any(s.length != width for s in run):
        steps = torch.arange(width)
        lengths = torch.tensor([s.length for s in run])
        gather = torch.tensor(rows)[:, None] + torch.minimum(steps[None], lengths[:, None] - 1)
        scatter = torch.nonzero((steps[None] < lengths[:, None]).flatten()).flatten().to(device)
        gather = gather.flatten().to(device)
    mask = _mask(run, width, keys, fold, dtype, device)
    return Group(run[0].slot, len(run), width, keys, rows[0], count, gather, scatter, mask)


def _mask(
    run: Sequence[Span], width: int, keys: int, fold: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor | None:
    if width == 1 and all(s.end == keys for s in run):
        return None
    last = torch.tensor([[min(s.start + i, s.end - 1) for i in range(width)] for s in run], device=device)
    hidden = torch.arange(keys, device=device) > last[:, :, None]
    mask = torch.zeros(len(run), width, keys, dtype=dtype, device=device).masked_fill_(hidden, float("-inf"))
    if width > 1:
        mask = mask.repeat_interleave(fold, dim=1)
    return mask.unsqueeze(1)
