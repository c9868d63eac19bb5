"""How well a model, as it is run here, predicts a text: what quantising it costs."""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Span, make_batch
from npc_engine.inference.model.runner import Runner

WINDOW = 512


def perplexity(runner: Runner, token_ids: Sequence[int], *, rows: int) -> float:
    """exp of the mean negative log likelihood of each token but the first, given those before it.

    The text is read in windows of WINDOW tokens that know nothing of each other, ``rows`` tokens a step, so that the
    kernels for so many rows are measured.
    """
    spec = runner.spec
    slots = Slots(
        **spec.kv_sizes,
        dtype=runner.dtype,
        device=runner.device,
        max_slots=1,
        max_capacity=WINDOW,
        budget=2 * WINDOW * spec.kv_bytes_per_token(runner.dtype),
    )
    slots.take()
    slots.reserve(WINDOW, [0])
    total = 0.0
    for start in range(0, len(token_ids) - 1, WINDOW):
        window = token_ids[start : start + WINDOW + 1]
        for at in range(0, len(window) - 1, rows):
            total += _loss(runner, slots, window[at : at + rows + 1], at)
    return math.exp(total / (len(token_ids) - 1))


def _loss(runner: Runner, slots: Slots, token_ids: Sequence[int], start: int) -> float:
    """The summed loss of ``token_ids`` but the first, which is at position ``start``."""
    inputs = list(token_ids[:-1])
    span = Span(0, start, len(inputs), len(inputs))
    batch = make_batch([span], inputs, fold=runner.spec.group, dtype=runner.dtype, device=runner.device)
    logits = runner.forward(batch, slots)
    targets = torch.tensor(token_ids[1:], device=runner.device)
    return float(functional.cross_entropy(logits, targets, reduction="sum"))
