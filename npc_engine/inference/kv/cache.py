"""The shared KV cache below the running batch: which prefixes are kept, in which tier, and what moves between them.

    slots (device)  --save-->  RAM  --write_through-->  disk
                    <--load--       <---- look_up ----

Blocks are written to RAM at the end of a turn and to disk when there is time, so that evicting is usually dropping.
In every tier a block's parent is there too: leaves go first. Nothing here waits for the disk: ``look_up`` says PENDING
and starts reading, ``poll`` takes what has arrived. What can't be read is a miss from that block on.

Not thread-safe: the engine's thread calls everything here.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum

from npc_engine.inference.kv.block import BLOCK_TOKENS, Block, Match, Tokens
from npc_engine.inference.kv.disk import Completion, DiskTier, WasLost, WasRead, WasWritten
from npc_engine.inference.kv.disk_file import Stored
from npc_engine.inference.kv.ram import RamTier, load_match, save_span
from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.kv.tree import BlockTree, begins

_log = logging.getLogger(__name__)

_WRITE_BATCH = 8
"""Blocks written in one go: a request that needs to read waits for at most these."""

_DIRTY_SHARE = 0.5
"""If more of the RAM budget than this is not on disk yet, writing no longer waits for idle time."""

_PATIENCE = 30.0
"""Seconds without writing after the disk refused to."""

_GRACE = 30.0
"""Seconds after the predicted moment during which a block is still kept for who was expected."""


class Lookup(Enum):
    """What there is of a prefix: usable now, on its way from the disk, or nothing."""

    HIT = "hit"
    PENDING = "pending"
    MISS = "miss"


class KvCache:
    """``ram`` and, if there is one, ``disk``. ``tree`` knows every block that is in at least one of them."""

    def __init__(self, tree: BlockTree, ram: RamTier, disk: DiskTier | None) -> None:
        self._tree, self._ram, self._disk = tree, ram, disk
        self._unwritten: OrderedDict[Block, None] = OrderedDict()
        self._writing = 0
        self._write_again = 0.0

    def adopt(self, stored: Sequence[Stored]) -> None:
        """Begin with what an earlier run left on disk. Blocks whose beginning is missing are deleted there."""
        assert self._disk is not None
        children: dict[bytes, list[Stored]] = {}
        for entry in stored:
            children.setdefault(entry.parent, []).append(entry)
        ahead, adopted = [self._tree.root], set()
        while ahead:
            parent = ahead.pop()
            for entry in children.get(parent.identity, ()):
                if entry.tokens in parent.children or not 0 < len(entry.tokens) <= BLOCK_TOKENS:
                    continue
                block = self._tree.add(parent, entry.tokens)
                if block.identity != entry.identity:
                    self._tree.remove(block)
                    continue
                self._disk.put(block, entry.cost)
                adopted.add(block.identity)
                if block.full:
                    ahead.append(block)
        for entry in stored:
            if entry.identity in adopted:
                self._disk.order.touch(self._tree.by_identity[entry.identity])
        if strays := [entry.identity for entry in stored if entry.identity not in adopted]:
            self._disk.delete(strays)
        self._fit_disk()

    def match(self, tokens: Sequence[int], limit: int) -> Match:
        """The longest beginning of ``tokens`` that is kept in any tier, at most ``limit`` tokens of it."""
        return self._tree.match(tokens, limit)

    def on_disk(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called, on the disk's thread, whenever the disk has done something."""
        if self._disk is not None:
            self._disk.on_completion = listener

    def held(self, tokens: Tokens, *, behind: int) -> tuple[int, Mapping[str, int]]:
        """How many leading tokens are kept, and bytes by tier of those ``behind`` so many, each in its fastest tier."""
        end, nbytes = 0, {"ram": 0, "disk": 0}
        for block, count in self._tree.match(tokens, len(tokens)).parts:
            end += count
            share = min(count, max(0, end - behind)) / len(block.tokens)
            if block.state is not None:
                nbytes["ram"] += round(share * self._ram.block_bytes * len(block.tokens) / BLOCK_TOKENS)
            else:
                nbytes["disk"] += round(share * block.disk_bytes)
        return end, nbytes

    def look_up(self, tokens: Sequence[int], limit: int) -> tuple[Lookup, Match]:
        """What is kept of ``tokens``; the match is what can be loaded now.

        PENDING: more than that comes from disk and is being read. Look again after ``poll``; hold the match meanwhile.
        """
        match = self._tree.match(tokens, limit)
        self._bring_up(match)
        ready = match.in_ram()
        if any(block.moving and block.state is None for block, _ in match.parts[len(ready.parts) :]):
            return Lookup.PENDING, match
        return (Lookup.HIT if ready.parts else Lookup.MISS), ready

    def load(self, match: Match, slots: Slots, slot: int) -> None:
        """Copy matched state, all of it in RAM, into a slot."""
        load_match(match, slots, slot)
        if match.last is not None:
            self._touch(match.last)

    def save(self, tokens: Sequence[int], slots: Slots, slot: int, *, tail: bool) -> None:
        """Keep what a slot has computed for ``tokens``; the unfinished last block only if ``tail``.

        Blocks that are in RAM already are not copied again. Where the budget leaves no room, the rest is not kept.
        """
        node = self._tree.root
        for start in range(0, len(tokens), BLOCK_TOKENS):
            chunk = tuple(tokens[start : start + BLOCK_TOKENS])
            if len(chunk) < BLOCK_TOKENS and not tail:
                break
            with self.holding(node):
                block = self._keep(node, chunk, slots, slot, start)
            if block is None:
                break
            node = block
        if node is not self._tree.root:
            self._touch(node)

    def expect(self, tokens: Sequence[int], within: float) -> None:
        """``tokens`` will be needed in so many seconds: keep what there is of them, and bring it up."""
        match = self._tree.match(tokens, len(tokens))
        due = time.monotonic() + within + _GRACE
        for block, _ in match.parts:
            block.due = due
        if match.last is not None:
            self._touch(match.last)
        self._bring_up(match)

    @contextmanager
    def holding(self, block: Block | None) -> Iterator[None]:
        """Keep ``block``, and with it all before it, from being evicted."""
        self.hold(block)
        try:
            yield
        finally:
            self.release(block)

    def hold(self, block: Block | None) -> None:
        """Keep ``block``, and with it all before it, from being evicted until it is released as often."""
        for node in block.lineage() if block is not None else ():
            node.pins += 1

    def release(self, block: Block | None) -> None:
        """The opposite of ``hold``."""
        for node in block.lineage() if block is not None else ():
            assert node.pins > 0
            node.pins -= 1

    @property
    def awaits_disk(self) -> bool:
        """Whether the disk was asked something that it has not answered."""
        return self._disk is not None and self._disk.busy

    def poll(self) -> None:
        """Take what the disk has done. Between steps, so that nothing changes within one."""
        if self._disk is not None:
            for completion in self._disk.completions():
                self._take(completion)
            if len(self._unwritten) * self._ram.block_bytes > _DIRTY_SHARE * self._ram.budget:
                self.write_through()
        self._fit_ram()

    def write_through(self) -> bool:
        """Start writing some blocks that are only in RAM to disk, unless some are being written. Whether it did."""
        if self._disk is None or self._writing or time.monotonic() < self._write_again:
            return False
        batch: list[Block] = []
        size = 0
        for block in self._unwritten:
            parent = block.parent
            assert parent is not None
            if parent is not self._tree.root and not parent.disk_bytes and parent not in batch:
                continue
            size += self._disk.room_for(block)
            if not self._make_disk_room(size, block):
                break
            block.moving = True
            batch.append(block)
            if len(batch) == _WRITE_BATCH:
                break
        for block in batch:
            del self._unwritten[block]
        if batch:
            self._writing = len(batch)
            self._disk.write(batch)
        return bool(batch)

    def set_budgets(self, ram: int | None, disk: int | None) -> None:
        """Change the ceilings. What is beyond them leaves at once; what is only in RAM is written down before."""
        if disk is not None and self._disk is not None:
            self._disk.budget = disk
            self._fit_disk()
            self._disk.set_budget(disk)
        if ram is not None:
            self._ram.budget = ram
            self._fit_ram()
            self._ram.trim()

    def use(self) -> Mapping[str, tuple[int, int]]:
        """Bytes used and allowed, by tier."""
        disk = (self._disk.used, self._disk.budget) if self._disk is not None else (0, 0)
        return {"ram": (self._ram.used, self._ram.budget), "disk": disk}

    def clear(self) -> None:
        """Forget everything, on disk too."""
        self._unwritten.clear()
        for block in self._tree:
            if block.disk_bytes:
                assert self._disk is not None
                self._disk.drop(block)
            if block.state is not None and block.moving:
                self._ram.lend(block)
            elif block.state is not None:
                self._ram.drop(block)
        self._tree.clear()

    def close(self) -> None:
        """Write what is not on disk yet, and close the file."""
        if self._disk is None:
            return
        self._write_again = 0.0
        self.write_through()
        while self._writing:
            time.sleep(0.001)
            for completion in self._disk.completions():
                self._take(completion)
            self.write_through()
        self._disk.close()

    def check_integrity(self) -> None:
        """Assert what must hold between steps, in each tier and across them."""
        self._tree.check_integrity()
        self._ram.check_integrity()
        blocks = list(self._tree)
        assert {b for b in blocks if b.state is not None} == set(self._ram.order)
        assert all(block.pins >= 0 for block in blocks)
        if self._disk is not None:
            self._disk.check_integrity()
            assert {b for b in blocks if b.disk_bytes} == set(self._disk.order)
        assert all(b.state is not None or b.disk_bytes or b.moving or b.children for b in blocks)
        unwritten = {b for b in blocks if b.state is not None and not b.disk_bytes and not b.moving}
        assert unwritten >= set(self._unwritten)

    def _keep(self, parent: Block, chunk: Tokens, slots: Slots, slot: int, start: int) -> Block | None:
        """The block of ``chunk`` behind ``parent``, in RAM: as it is, grown from a tail, copied up, or new."""
        known = parent.children.get(chunk)
        if known is not None and known.state is not None:
            return known
        if known is None and (tail := _tail_of(parent, chunk)) is not None and tail.state is not None:
            self._grow(tail, chunk, slots, slot, start)
            return tail
        if not self._make_ram_room():
            return None
        state = self._ram.take()
        save_span(state, slots, slot, start, 0, len(chunk))
        block = known or self._tree.add(parent, chunk)
        self._ram.put(block, state)
        return block

    def _grow(self, tail: Block, chunk: Tokens, slots: Slots, slot: int, start: int) -> None:
        assert tail.state is not None
        if tail.disk_bytes:
            assert self._disk is not None
            self._disk.drop(tail)
        save_span(tail.state, slots, slot, start, len(tail.tokens), len(chunk))
        self._tree.grow(tail, chunk)

    def _bring_up(self, match: Match) -> None:
        """Start reading what of ``match`` is only on disk, as far as there is room in RAM."""
        if self._disk is None:
            return
        with self.holding(match.last):
            for block, _ in match.parts:
                if block.state is not None or block.moving:
                    continue
                if not self._make_ram_room():
                    break
                block.moving = True
                self._disk.read(block, self._ram.take())

    def _take(self, completion: Completion) -> None:
        match completion:
            case WasRead():
                self._was_read(completion)
            case WasWritten():
                self._was_written(completion)
            case WasLost():
                self._was_lost()

    def _was_read(self, done: WasRead) -> None:
        block, parent = done.block, done.block.parent
        assert parent is not None
        block.moving = False
        known = self._knows(block)
        wanted = known and block.state is None and (parent is self._tree.root or parent.state is not None)
        if done.ok and wanted and not self._ram.over_budget:
            self._ram.put(block, done.state)
            return
        # Saved again while it was read, damaged, or not wanted any more.
        self._ram.give_back(done.state)
        if known and not done.ok:
            self._lose(block)
        elif known:
            self._prune(block)

    def _was_written(self, done: WasWritten) -> None:
        assert self._disk is not None
        block, parent = done.block, done.block.parent
        assert parent is not None
        self._writing -= 1
        block.moving = False
        known = self._knows(block)
        in_place = known and block.identity == done.identity and (parent is self._tree.root or parent.disk_bytes > 0)
        if done.cost and in_place:
            self._disk.put(block, done.cost)
            return
        if done.cost:
            self._disk.delete([done.identity])
        else:
            self._write_again = time.monotonic() + _PATIENCE
        if known:
            self._unwritten[block] = None
        elif block.state is not None:
            self._ram.give_back(block.state)
            block.state = None

    def _was_lost(self) -> None:
        assert self._disk is not None
        for block in list(self._disk.order):
            self._disk.forget(block)
            if block.state is not None and not block.moving:
                self._unwritten[block] = None
        for block in reversed(list(self._tree)):
            self._prune(block)

    def _knows(self, block: Block) -> bool:
        return self._tree.by_identity.get(block.identity) is block

    def _lose(self, block: Block) -> None:
        """A block's stored state is damaged: it and what is behind it are computed anew."""
        assert self._disk is not None
        for node in reversed([block, *block.descendants()]):
            if node.disk_bytes:
                self._disk.drop(node)
            if node.state is not None and not node.moving:
                self._unwritten[node] = None
            self._prune(node)

    def _prune(self, block: Block) -> None:
        """Take ``block``, and what is before it, out of the tree as far as nothing of it is left anywhere."""
        for node in list(block.lineage()):
            if node.state is not None or node.disk_bytes or node.moving or node.children or not self._knows(node):
                return
            self._tree.remove(node)

    def _make_ram_room(self) -> bool:
        """Free memory for one block. Whether there is any."""
        while not self._ram.can_take():
            victim = self._next_from_ram(_is_on_disk) or self._next_from_ram(_is_any)
            if victim is None:
                return False
            self._evict(victim)
        return True

    def _fit_ram(self) -> None:
        """Bring RAM under its budget. A block that is not on disk yet is written before it goes."""
        while self._ram.over_budget:
            victim = self._next_from_ram(_is_on_disk)
            if victim is None:
                self.write_through()
                if self._writing:
                    return
                victim = self._next_from_ram(_is_any)
            if victim is None:
                return
            self._evict(victim)

    def _fit_disk(self) -> None:
        self._make_disk_room(0, None)

    def _make_disk_room(self, size: int, block: Block | None) -> bool:
        """Make room for ``size`` bytes more, of which the last are ``block``. Whether there is."""
        assert self._disk is not None
        with self.holding(block):
            while not self._disk.fits(size):
                victim = self._disk.order.first(time.monotonic(), _is_any)
                if victim is None:
                    return False
                # It is not written again before it is used again: a full disk must not write in circles.
                self._disk.drop(victim)
                self._prune(victim)
        return True

    def _next_from_ram(self, among: Callable[[Block], bool]) -> Block | None:
        return self._ram.order.first(time.monotonic(), among)

    def _evict(self, block: Block) -> None:
        self._ram.drop(block)
        self._unwritten.pop(block, None)
        self._prune(block)

    def _touch(self, block: Block) -> None:
        self._ram.order.touch(block)
        if self._disk is None:
            return
        self._disk.order.touch(block)
        for node in reversed(list(block.lineage())):
            if node.state is not None and not node.disk_bytes and not node.moving:
                self._unwritten.setdefault(node)


def _is_on_disk(block: Block) -> bool:
    return block.disk_bytes > 0


def _is_any(_: Block) -> bool:
    return True


def _tail_of(parent: Block, chunk: Tokens) -> Block | None:
    """The unfinished tail behind ``parent`` that ``chunk`` continues."""
    return next((c for c in parent.children.values() if not c.children and begins(chunk, c.tokens)), None)
