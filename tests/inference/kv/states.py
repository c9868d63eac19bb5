"""Attention state that can be recognised: it depends on each token and everything before it, as the real one does."""

import time
from pathlib import Path

import torch

from npc_engine.inference.kv.cache import KvCache, Lookup
from npc_engine.inference.kv.copies import Copies
from npc_engine.inference.kv.open import Tiers, open_cache
from npc_engine.inference.kv.ram import block_shape
from npc_engine.inference.kv.slots import NoTraffic, Slots, Traffic

SIZES = {"layers": 2, "kv_heads": 2, "head_dim": 16}
BLOCK_BYTES = 2 * 2 * 2 * 64 * 16 * 4


def make_slots(
    max_slots: int = 8, max_capacity: int = 1024, budget: int = 1 << 30, traffic: Traffic | None = None
) -> Slots:
    return Slots(
        **SIZES,
        dtype=torch.float32,
        device=torch.device("cpu"),
        max_slots=max_slots,
        max_capacity=max_capacity,
        budget=budget,
        traffic=traffic,
    )


def make_cache(
    blocks: int,
    folder: Path | None = None,
    *,
    disk_budget: int = 64 << 20,
    codec: str = "raw",
    model: str = "model",
    copies: Copies | None = None,
) -> KvCache:
    """A cache with RAM for so many blocks and, if there is a ``folder``, a disk tier in it."""
    tiers = Tiers(blocks * BLOCK_BYTES, disk_budget, folder, codec)
    return open_cache(block_shape(**SIZES), torch.float32, model, tiers, copies)


def fill(slots: Slots, slot: int, tokens: list[int]) -> None:
    """Write the state of ``tokens`` into a slot."""
    running = 0.0
    slots.reserve(len(tokens), [slots.capacity] * slots.used)
    for place, token in enumerate(tokens):
        running = running * 0.5 + token
        slots.keys[:, slot, :, place] = running
        slots.values[:, slot, :, place] = -running


class Bench:
    """A cache between a slot that computes, one that loads and one that knows the truth."""

    def __init__(self, cache: KvCache, traffic: Traffic | None = None) -> None:
        self.traffic: Traffic = traffic or NoTraffic()
        self.cache, self.slots = cache, make_slots(traffic=self.traffic)
        self.writer, self.reader, self.truth = self.slots.take(), self.slots.take(), self.slots.take()

    def compute(self, tokens: list[int], *, tail: bool = True) -> None:
        """Compute ``tokens`` and keep their state."""
        self.traffic.fence()  # as when the slot was somebody else's before
        fill(self.slots, self.writer, tokens)
        self.cache.save(tokens, self.slots, self.writer, tail=tail)
        self.cache.check_integrity()

    def settle(self) -> None:
        """Let the disk do all that can be done in idle time."""
        patience = time.monotonic() + 30
        self.cache.poll()
        while self.cache.write_down() or self.cache.awaits_disk:
            assert time.monotonic() < patience, "the disk never comes to rest"
            time.sleep(0.0005)
            self.cache.poll()
        self.cache.check_integrity()

    def load(self, tokens: list[int], *, exact: bool = True) -> int:
        """How many tokens could be loaded, once the disk has answered. What was loaded is true."""
        patience = time.monotonic() + 30
        while (found := self.cache.look_up(tokens, len(tokens)))[0] is Lookup.PENDING:
            assert time.monotonic() < patience, "the disk never answers"
            time.sleep(0.0005)
            self.cache.poll()
        match = found[1]
        assert (found[0] is Lookup.HIT) == (match.length > 0)
        self.slots.reserve(max(1, match.length), [self.slots.capacity] * self.slots.used)
        self.traffic.fence()
        self.slots.keys[:, self.reader].fill_(-7.0)
        self.cache.load(match, self.slots, self.reader)
        self.slots.await_all()
        fill(self.slots, self.truth, tokens)
        for store in (self.slots.keys, self.slots.values):
            loaded, true = (store[:, slot, :, : match.length] for slot in (self.reader, self.truth))
            if exact:
                assert torch.equal(loaded, true)
            else:
                assert torch.allclose(loaded, true, rtol=0.1, atol=0.1 * float(true.abs().max()) if true.numel() else 0)
        self.cache.check_integrity()
        return match.length
