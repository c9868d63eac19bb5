"""Claims about copies beside computing: whatever is late, each finds what it would have found in order."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest
import torch

from npc_engine.inference.kv import copies as copies_module
from npc_engine.inference.kv.block import BLOCK_TOKENS, Block, Match
from npc_engine.inference.kv.cache import Lookup
from npc_engine.inference.kv.copies import Copies, PlainCopies, StreamCopies
from npc_engine.inference.kv.ram import RamTier, block_shape
from npc_engine.inference.kv.slots import NoTraffic, Slots, Traffic
from tests.inference.kv.states import BLOCK_BYTES, SIZES, Bench, make_cache, make_slots
from tests.inference.late import LateAccelerator

SLOTS, STATES = 3, 5
SEEDS, EVENTS = 40, 60
EVERY_WAIT = [
    ("load", "compute"),
    ("load", "save"),
    ("save", "compute"),
    ("save", "load"),
    ("compute", "load"),
    ("compute", "save"),
]


@pytest.fixture(autouse=True)
def each_layer_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies_module, "_COPY_BYTES", 1)


class Twins:
    """One life of slots and states, lived twice: in order, and with streams that are late."""

    def __init__(self, late: LateAccelerator, seed: int) -> None:
        self.late, self.random = late, Random(seed)
        stream_copies = StreamCopies(late)
        self.worlds = [_World(PlainCopies(), NoTraffic(), _at_once)]
        self.worlds.append(_World(stream_copies, stream_copies, lambda work: late.run(late.compute, work)))
        self.lengths = [0] * SLOTS
        self.stored: dict[int, int] = {}

    def live(self, events: int) -> None:
        for number in range(events):
            event = self.random.choice((self.forward, self.save, self.load, self.change_hands, self.wait))
            event(number + 1.0)
        self.late.compute.record_event().synchronize()
        for world in self.worlds:
            world.copies.synchronise()

    @property
    def alike(self) -> bool:
        one, two = self.worlds
        slots = all(
            torch.equal(a[:, slot, :, :length], b[:, slot, :, :length])
            for a, b in ((one.slots.keys, two.slots.keys), (one.slots.values, two.slots.values))
            for slot, length in enumerate(self.lengths)
        )
        return slots and all(
            torch.equal(one.states[state][:, :, :, :count], two.states[state][:, :, :, :count])
            for state, count in self.stored.items()
        )

    def forward(self, number: float) -> None:
        """Some slots get more tokens, whose state depends on all before."""
        more = [self.random.choice((0, 1, 7, 64)) for _ in range(SLOTS)]
        more = [min(count, 500 - length) for count, length in zip(more, self.lengths, strict=True)]
        for world in self.worlds:
            for layer in range(SIZES["layers"]):
                keys, values = world.slots.layer(layer)
                for slot, (length, count) in enumerate(zip(self.lengths, more, strict=True)):
                    world.compute(partial(_think, keys[slot], values[slot], length, count, number))
        self.lengths = [length + count for length, count in zip(self.lengths, more, strict=True)]

    def save(self, number: float) -> None:
        slot = self.random.randrange(SLOTS)
        if not self.lengths[slot]:
            return
        start = self.random.randrange(0, self.lengths[slot], BLOCK_TOKENS)
        count = min(BLOCK_TOKENS, self.lengths[slot] - start)
        state = self.random.randrange(STATES)
        first = self.random.randrange(count)
        for world in self.worlds:
            # A tail grows: its beginning was kept before.
            for begin, end in ((0, first), (first, count)):
                if begin < end:
                    world.copies.save(world.states[state], world.slots, slot, start, begin, end)
        self.stored[state] = count

    def load(self, number: float) -> None:
        if not self.stored:
            return
        slot = self.random.randrange(SLOTS)
        chosen = self.random.sample(sorted(self.stored), self.random.randint(1, len(self.stored)))
        counts = [self.stored[state] for state in chosen]
        for world in self.worlds:
            blocks = [_block(world.states[state]) for state in chosen]
            world.copies.load(Match(tuple(zip(blocks, counts, strict=True))), world.slots, slot)
        self.lengths[slot] = sum(counts)

    def wait(self, _: float) -> None:
        """One stream is ahead of the others."""
        stream = self.random.choice((self.late.compute, self.late.load, self.late.save))
        stream.run_to(self.random.randint(stream.done, stream.queued))

    def change_hands(self, number: float) -> None:
        """A slot is somebody else's, who begins to write at once."""
        slot = self.random.randrange(SLOTS)
        self.lengths[slot] = 3
        for world in self.worlds:
            world.traffic.fence()
            world.compute(partial(world.slots.keys[:, slot].fill_, number))
            world.compute(partial(world.slots.values[:, slot].fill_, -number))


class _World:
    def __init__(self, copies: Copies, traffic: Traffic, compute: Callable[[Callable[[], object]], None]) -> None:
        self.copies, self.traffic, self.compute = copies, traffic, compute
        self.slots: Slots = make_slots(SLOTS, 512, traffic=traffic)
        for _ in range(SLOTS):
            self.slots.take()
        self.slots.reserve(512, [0] * SLOTS)
        self.states = [torch.zeros(block_shape(**SIZES)) for _ in range(STATES)]


def _at_once(work: Callable[[], object]) -> None:
    work()


def _think(keys: torch.Tensor, values: torch.Tensor, length: int, count: int, number: float) -> None:
    """Write ``count`` tokens behind ``length`` into [kv_heads, capacity, head_dim]."""
    before = (keys[:, :length].sum() + values[:, :length].sum()) % 1000
    keys[:, length : length + count] = before + number
    values[:, length : length + count] = before - 2 * number


def _block(state: torch.Tensor) -> Block:
    block = Block(None, (), b"")
    block.state = state
    return block


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("hurry", [True, False])
def test_late_copies_find_what_they_would_have_found_in_order(pinned: bool, hurry: bool) -> None:
    for seed in range(SEEDS):
        late = LateAccelerator(Random(seed) if hurry else None, all_pinned=pinned, pins=3, compute_late=True)
        twins = Twins(late, seed)
        twins.live(EVENTS)
        assert twins.alike, f"seed {seed}"


@pytest.mark.parametrize("forgotten", EVERY_WAIT)
def test_each_wait_is_needed(forgotten: tuple[str, str]) -> None:
    """That the claim above would not hold without it, and that it is a claim about all of them."""

    def wrong(seed: int) -> bool:
        twins = Twins(LateAccelerator(compute_late=True, forgets=forgotten), seed)
        twins.live(EVENTS)
        return not twins.alike

    assert any(wrong(seed) for seed in range(SEEDS))


def test_a_layer_waits_for_its_own_load_and_for_no_more() -> None:
    late = LateAccelerator()
    copies = StreamCopies(late)
    slots = make_slots(traffic=copies)
    slots.take()
    state = torch.ones(block_shape(**SIZES))
    copies.load(Match(((_block(state), 40),)), slots, 0)
    slots.layer(0)
    assert [float(slots.keys[layer, 0, :, :40].mean()) for layer in range(2)] == [1.0, 0.0]
    slots.layer(1)
    assert bool((slots.values[1, 0, :, :40] == 1.0).all())
    assert bool((slots.values[:, 0, :, 40:] == 0.0).all())


def test_slots_that_get_other_memory_take_along_what_is_being_loaded() -> None:
    late = LateAccelerator()
    copies = StreamCopies(late)
    slots = make_slots(traffic=copies)
    slots.take()
    state = torch.ones(block_shape(**SIZES))
    copies.load(Match(((_block(state), 40),)), slots, 0)
    # It begins before that one is saved.
    copies.save(torch.zeros_like(state), slots, 0, 0, 0, 40)
    assert late.load.done < late.load.queued
    slots.reserve(1024, [40])
    assert bool((slots.keys[:, 0, :, :40] == 1.0).all())
    assert late.save.done == late.save.queued, "the memory that it reads is used for something else from now on"


def test_a_block_whose_copy_has_not_landed_neither_goes_to_disk_nor_makes_room(tmp_path: Path) -> None:
    late = LateAccelerator()
    copies = StreamCopies(late)
    bench = Bench(make_cache(3, tmp_path, copies=copies), copies)
    bench.compute(list(range(130)))
    bench.cache.poll()
    assert not bench.cache.awaits_disk
    assert not bench.cache.write_through()
    assert late.save.done == 0, "nobody waited"
    bench.compute([7] * 130)
    assert bench.cache.match([7] * 130, 130).length == 0, "all room was still being written to"
    # It can be loaded all the same: copies keep their order.
    assert bench.cache.look_up(list(range(130)), 130)[0] is Lookup.HIT
    assert bench.load(list(range(130))) == 130
    copies.synchronise()
    bench.cache.poll()
    assert bench.cache.awaits_disk, "it is written now"
    bench.settle()
    bench.compute([7] * 130)
    bench.settle()
    assert bench.load([7] * 130) == 130
    bench.settle()
    assert bench.load(list(range(130))) == 130
    bench.cache.close()


def test_while_a_load_is_under_way_its_block_stays() -> None:
    copies = StreamCopies(LateAccelerator())
    bench = Bench(make_cache(3, copies=copies), copies)
    bench.compute(list(range(130)))
    copies.synchronise()
    bench.cache.poll()
    bench.cache.load(bench.cache.match(list(range(130)), 130), bench.slots, bench.reader)
    bench.compute([7] * 130)
    assert bench.cache.match([7] * 130, 130).length == 0
    assert bench.cache.match(list(range(130)), 130).length == 130


@pytest.mark.parametrize("how", ["clear", "close", "shrink"])
def test_clearing_closing_and_shrinking_wait_for_copies(how: str) -> None:
    late = LateAccelerator()
    copies = StreamCopies(late)
    bench = Bench(make_cache(5, copies=copies), copies)
    bench.compute(list(range(200)))
    act = {
        "clear": bench.cache.clear,
        "close": bench.cache.close,
        "shrink": lambda: bench.cache.set_budgets(2 * BLOCK_BYTES, None),
    }
    act[how]()
    assert late.save.done == late.save.queued
    bench.cache.check_integrity()
    assert bench.cache.use()["ram"][0] <= (2 if how == "shrink" else 5) * BLOCK_BYTES


def test_of_a_save_that_fails_nothing_is_under_way_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    late = LateAccelerator()
    copies = StreamCopies(late)
    bench = Bench(make_cache(5, copies=copies), copies)
    run, calls = late.run, []

    def fail_second(*args: object) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("no memory on the device")
        run(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(late, "run", fail_second)
        with pytest.raises(RuntimeError, match="no memory"):
            bench.compute(list(range(64)))
    assert late.save.done == late.save.queued
    assert bench.cache.use()["ram"][0] == 0
    bench.compute(list(range(64)))
    assert bench.load(list(range(64))) == 64


def test_where_nothing_can_be_pinned_copies_are_right_all_the_same() -> None:
    copies = StreamCopies(LateAccelerator(all_pinned=False, pins=0))
    bench = Bench(make_cache(20, copies=copies), copies)
    for npc in range(3):
        bench.compute([npc] * 300)
    assert [bench.load([npc] * 300) for npc in range(3)] == [300] * 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="here memory can be pinned")
def test_memory_that_can_not_be_pinned_is_used_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    ram = RamTier((2, 3, 1, 64, 16), torch.float32, 1 << 20, pin=True)
    assert ram.take().shape == ram.take().shape == (2, 3, 1, 64, 16)
    # 24 KiB each, of which pinned memory would take 32.
    assert ram.used == 2 * 32 << 10
    assert [record.levelname for record in caplog.records] == ["WARNING"]
