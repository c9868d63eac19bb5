"""Choosing the next token of each request from its row of logits.

Random choices invert the cumulative distribution, in order of falling probability, with one uniform number from the
request's own generator. So a row's choice depends on that row and that generator alone, whoever shares the batch, and
only as many candidates are sorted as the choice needs.
"""

from collections import Counter
from collections.abc import Sequence as Rows
from random import Random

import torch

from npc_engine.inference.grammar import Guide
from npc_engine.inference.request import Sampling

_CANDIDATES = 128
_COLDEST = 1e-5
"""Temperatures below are greedy, as in vLLM: logits divided by much less are no longer numbers in float32."""
_LOOP_BASE, _LOOP_ALLOWED, _LOOP_LONGEST = 1.75, 2, 16


class Chooser:
    """One request's sampling state: parameters, random generator, place in its grammar, ids its penalties look at.

    The penalties look at what was generated, never at the prompt: there they would make a character's own name, and
    every word it has been told, less likely.
    """

    def __init__(self, sampling: Sampling, guide: Guide | None = None) -> None:
        self.sampling, self.guide = sampling, guide
        self._random = Random(sampling.seed)
        self._recent: list[int] = []
        self._said = list(sampling.said_before)

    @property
    def greedy(self) -> bool:
        """Whether the most likely token is always taken."""
        return self.sampling.temperature < _COLDEST or self.sampling.top_k == 1

    @property
    def _penalises(self) -> bool:
        s = self.sampling
        return s.repetition_penalty != 1.0 or s.frequency_penalty != 0.0 or s.presence_penalty != 0.0

    def penalise(self, row: torch.Tensor) -> None:
        """Lower, in place, the logits [vocab] of recent ids: CTRL's rule (arXiv 1909.05858) and additive ones."""
        if self._penalises and self._recent:
            counts = Counter(self._recent)
            ids = torch.tensor(list(counts), device=row.device)
            values = row[ids]
            penalty = self.sampling.repetition_penalty
            values = torch.where(values > 0, values / penalty, values * penalty)
            seen = torch.tensor(list(counts.values()), dtype=row.dtype, device=row.device)
            row[ids] = values - self.sampling.frequency_penalty * seen - self.sampling.presence_penalty
        for token_id, length in self._continuations().items():
            row[token_id] -= self.sampling.loop_penalty * _LOOP_BASE ** (length - _LOOP_ALLOWED)

    def restrict(self, row: torch.Tensor) -> None:
        """Rule out, in place, the logits [vocab] of what the grammar does not allow next."""
        if self.guide is not None:
            self.guide.allow(row)

    def chose(self, token_id: int) -> None:
        """Remember a choice for the penalties and the grammar."""
        if self.guide is not None:
            self.guide.took(token_id)
        if self._penalises:
            self._recent.append(token_id)
            del self._recent[: -self.sampling.penalty_window]
        if self.sampling.loop_penalty:
            self._said.append(token_id)

    def _continuations(self) -> dict[int, int]:
        """Ids that would prolong a repetition of at least ``_LOOP_ALLOWED`` tokens, with its length so far.

        The rule is DRY's (p-e-w, "don't repeat yourself", in several open samplers).
        """
        said = self._said
        if not self.sampling.loop_penalty or len(said) <= _LOOP_ALLOWED:
            return {}
        found: dict[int, int] = {}
        last = len(said) - 1
        for at in range(last):
            if said[at] != said[last]:
                continue
            length = 1
            while length < min(at + 1, _LOOP_LONGEST) and said[at - length] == said[last - length]:
                length += 1
            if length >= _LOOP_ALLOWED:
                found[said[at + 1]] = max(length, found.get(said[at + 1], 0))
        return found

    def pick(self, scaled: torch.Tensor, values: torch.Tensor, ids: torch.Tensor, log_total: float) -> int:
        """Choose among the best candidates of a row.

        ``scaled`` [vocab] are logits over temperature; ``values`` and ``ids`` its best, falling; ``log_total`` its
        logsumexp.
        """
        point = self._random.random()
        chosen = self._pick(values, ids, log_total, point, complete=len(values) == len(scaled))
        if chosen is None:
            # The candidates stay in front: among equal logits a sort may order others first.
            rest = scaled.cpu().index_fill(0, ids, float("-inf")).sort(descending=True)
            behind = len(scaled) - len(ids)
            values, ids = torch.cat((values, rest.values[:behind])), torch.cat((ids, rest.indices[:behind]))
            chosen = self._pick(values, ids, log_total, point, complete=True)
        assert chosen is not None
        return chosen

    def _pick(
        self, values: torch.Tensor, ids: torch.Tensor, log_total: float, point: float, *, complete: bool
    ) -> int | None:
        """The candidate at ``point`` of the kept mass, or None when more candidates must be seen to know it."""
        s = self.sampling
        probabilities = (values.double() - log_total).exp()
        mass = probabilities.cumsum(0)
        kept = len(values)
        if s.top_k:
            kept = min(kept, s.top_k)
        if s.min_p > 0.0:
            kept = min(kept, int((probabilities >= s.min_p * probabilities[0]).sum()))
        if s.top_p < 1.0:
            kept = min(kept, int((mass - probabilities < s.top_p).sum()))
        if self.guide is not None:
            kept = min(kept, int((probabilities > 0).sum()))
        kept = max(kept, 1)
        filtered = kept < len(values) or (s.top_k and kept == s.top_k)
        if complete or filtered:
            target = point * float(mass[kept - 1])
        elif s.top_k == 0 and s.min_p <= 0.0 and s.top_p >= 1.0 and point < float(mass[-1]):
            target = point
        else:
            return None
        place = int(torch.searchsorted(mass[:kept], target, right=True))
        return int(ids[min(place, kept - 1)])


def choose(logits: torch.Tensor, choosers: Rows[Chooser]) -> list[int]:
    """The next token of each row. ``logits`` float32 [rows, vocab]; penalties change it in place."""
    for row, chooser in zip(logits, choosers, strict=True):
        chooser.penalise(row)
        chooser.restrict(row)
    # max is three times as fast as argmax here and breaks ties alike: the lowest id.
    chosen: list[int] = logits.max(dim=-1).indices.tolist()
    rows = [i for i, chooser in enumerate(choosers) if not chooser.greedy]
    if rows:
        temperatures = torch.tensor([choosers[i].sampling.temperature for i in rows], device=logits.device)
        scaled = logits[rows] / temperatures[:, None]
        values, ids = scaled.topk(min(_CANDIDATES, scaled.shape[-1]), dim=-1)
        totals = scaled.logsumexp(dim=-1).tolist()
        # Looked at number by number, so not where each look would be waited for.
        values, ids = values.cpu(), ids.cpu()
        for at, i in enumerate(rows):
            chosen[i] = choosers[i].pick(scaled[at], values[at], ids[at], totals[at])
    for token_id, chooser in zip(chosen, choosers, strict=True):
        chooser.chose(token_id)
    return chosen
