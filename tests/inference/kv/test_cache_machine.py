"""Whatever is done to the cache in whatever order: it is consistent, within its budgets, and never wrong."""

import shutil
import sqlite3
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from npc_engine.inference.kv import cache as cache_module
from npc_engine.inference.kv import disk_file
from npc_engine.inference.kv.block import BLOCK_TOKENS, Block, common_length
from npc_engine.inference.kv.copies import StreamCopies
from tests.inference.kv.faults import ERRORS, Faults
from tests.inference.kv.states import BLOCK_BYTES, Bench, make_cache
from tests.inference.late import LateAccelerator

CONVERSATIONS = 5
RAM_BLOCKS = st.sampled_from([2, 4, 7, 30])
DISK_BYTES = st.sampled_from([300_000, 800_000, 8 << 20])
lengths = st.sampled_from([1, 20, 63, 64, 65, 100, 130])
npcs = st.integers(0, CONVERSATIONS - 1)


class CacheMachine(RuleBasedStateMachine):
    """``said`` is the dictionary that the cache is measured by: what each conversation consists of.

    The state of a prefix follows from its tokens, so whatever the cache brings back can be checked against them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.faults = Faults()
        self.failed = False
        self.held: list[Block] = []

    @initialize(ram=RAM_BLOCKS, disk=DISK_BYTES)
    def open(self, ram: int, disk: int) -> None:
        self.ram, self.disk = ram, disk
        # All begin alike, so that blocks are shared; the first two go on alike for longer.
        self.said = [[9] * 80 + [min(npc, 2)] * 40 + [npc] for npc in range(CONVERSATIONS)]
        self.bench = self.make_bench()

    def make_bench(self) -> Bench:
        return Bench(make_cache(self.ram, self.folder, disk_budget=self.disk))

    @rule(npc=npcs, more=lengths, tail=st.booleans())
    def speak(self, npc: int, more: int, tail: bool) -> None:
        if len(self.said[npc]) + more < 600:
            self.said[npc].extend([len(self.said[npc]) + npc] * more)
        self.bench.compute(self.said[npc], tail=tail)

    @rule(npc=npcs, length=lengths)
    def save_a_beginning(self, npc: int, length: int) -> None:
        self.bench.compute(self.said[npc][:length])

    @rule(npc=npcs, other=lengths)
    def load(self, npc: int, other: int) -> None:
        self.bench.load([*self.said[npc], *[777] * other])

    @rule(npc=npcs, length=lengths)
    def load_a_beginning(self, npc: int, length: int) -> None:
        self.bench.load([*self.said[npc][:length], 778])

    @rule(npc=npcs)
    def look_up_and_go_on(self, npc: int) -> None:
        self.bench.cache.look_up(self.said[npc], len(self.said[npc]))

    @rule(npc=npcs, within=st.sampled_from([-100.0, 0.0, 5.0, 1000.0]))
    def hint(self, npc: int, within: float) -> None:
        self.bench.cache.expect(tuple(self.said[npc]), within)

    @rule(npc=npcs)
    def hold(self, npc: int) -> None:
        last = self.bench.cache.match(self.said[npc], len(self.said[npc])).last
        if last is not None and len(self.held) < 3:
            self.bench.cache.hold(last)
            self.held.append(last)

    @rule()
    def release(self) -> None:
        while self.held:
            self.bench.cache.release(self.held.pop())

    @rule(ram=RAM_BLOCKS)
    def change_ram(self, ram: int) -> None:
        self.ram = ram
        self.bench.cache.set_budgets(ram * BLOCK_BYTES, None)

    @rule(disk=DISK_BYTES)
    def change_disk(self, disk: int) -> None:
        self.disk = disk
        self.bench.cache.set_budgets(None, disk)

    @rule()
    def poll(self) -> None:
        self.bench.cache.poll()

    @rule()
    def write_some(self) -> None:
        self.bench.cache.write_through()

    @rule()
    def rest(self) -> None:
        self.bench.settle()
        if not self.held:
            assert self.bench.cache.use()["ram"][0] <= self.ram * BLOCK_BYTES
            assert self.bench.cache.use()["disk"][0] <= self.disk
            if not self.failed:
                assert (self.folder / "blocks.sqlite").stat().st_size <= max(self.disk, 16 * 16384)

    @rule(npc=npcs, length=lengths, keep=npcs)
    def forget_one(self, npc: int, length: int, keep: int) -> None:
        cache, beginning, kept = self.bench.cache, tuple(self.said[npc][:length]), tuple(self.said[keep])
        before = cache.match(kept, len(kept)).length
        if not cache.forget(beginning, [kept]):
            return
        for said in map(tuple, self.said):
            found = cache.match(said, len(said)).length
            shared = max(common_length(said, beginning), common_length(said, kept))
            assert found <= shared or said[: len(beginning)] != beginning
        assert cache.match(kept, len(kept)).length > before - BLOCK_TOKENS

    @rule()
    def forget(self) -> None:
        self.held.clear()
        self.bench.cache.clear()

    @rule(damage=st.none() | st.integers(0, 1 << 30))
    def restart(self, damage: int | None) -> None:
        """Come back, perhaps to a file of which a bit is flipped somewhere in a block's state."""
        self.held.clear()
        self.faults.clear()
        self.bench.cache.close()
        if damage is not None and not self.failed:
            flip(self.folder / "blocks.sqlite", damage)
        self.bench = self.make_bench()
        self.failed = False

    @rule(calls=st.integers(1, 12), error=st.sampled_from(ERRORS))
    def let_the_disk_fail(self, calls: int, error: Exception) -> None:
        self.failed = True
        self.faults.fail_after(calls, error)

    @invariant()
    def all_is_consistent(self) -> None:
        if hasattr(self, "bench"):
            self.bench.cache.check_integrity(self.held)

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            self.faults.clear()
            self.bench.settle()
            for said in self.said:
                self.bench.load(said)
            self.bench.cache.close()
        shutil.rmtree(self.folder)


def flip(path: Path, where: int) -> None:
    if not path.exists():
        return
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT id, state FROM states").fetchall()
        if rows:
            id, state = rows[where % len(rows)]
            changed = bytearray(state)
            changed[where % len(changed)] ^= 1 << where % 8
            connection.execute("UPDATE states SET state = ? WHERE id = ?", (bytes(changed), id))
            connection.commit()
    finally:
        connection.close()


@pytest.mark.parametrize("copies", ["at once", "late", "late, staged"])
def test_no_order_of_events_makes_it_inconsistent_or_wrong(monkeypatch: pytest.MonkeyPatch, copies: str) -> None:
    # Within a test a disk that refused is tried again soon, and a block that can't be written soon goes.
    monkeypatch.setattr(cache_module, "_PATIENCE", 0.002)
    monkeypatch.setattr(cache_module, "_SPILL_SECONDS", 0.02)

    class Machine(CacheMachine):
        def __init__(self) -> None:
            super().__init__()
            monkeypatch.setattr(disk_file.sqlite3, "connect", self.faults.connect)

        def make_bench(self) -> Bench:
            if copies == "at once":
                return super().make_bench()
            late = StreamCopies(LateAccelerator(Random(self.ram), all_pinned=copies == "late", pins=4))
            return Bench(make_cache(self.ram, self.folder, disk_budget=self.disk, copies=late), late)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40 if copies == "at once" else 15,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
