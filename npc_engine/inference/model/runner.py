"""What the engine asks of a model."""

from typing import Protocol

import torch

from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.batch import Batch
from npc_engine.inference.model.spec import ModelSpec


class Runner(Protocol):
    """A loaded model. ``forward`` writes the batch's K and V into ``slots`` and returns logits."""

    spec: ModelSpec
    dtype: torch.dtype
    device: torch.device

    def forward(self, batch: Batch, slots: Slots) -> torch.Tensor:
        """Float32 logits [sample_rows, vocab]. ``slots`` must have room for every position of the batch."""
        ...
