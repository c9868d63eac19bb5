"""The shared KV cache below the running batch: which prefixes are kept, in which tier, and what moves between them.

    slots (device)  --save-->  RAM  --write_through-->  disk
                    <--load--       <---- look_up ----

Blocks are written to RAM at the end of a turn and to disk when there is time, so that evicting is usually dropping.
In every tier a block's parent is there too: leaves go first. Nothing here waits for the disk: ``look_up`` says PENDING
and starts reading, ``poll`` takes what has arrived. What can't be read is a miss from that block on.

Copies from and to slots may go on beside what is computed. Until they have landed, which ``poll`` sees, a block neither
leaves RAM nor goes to disk; it can be loaded, since copies keep their own order.

Not thread-safe: the engine's thread calls everything here.
"""

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum

from npc_engine.inference.kv.block import BLOCK_TOKENS, Block, Match, Tokens
from npc_engine.inference.kv.copies import Copies, Flight, PlainCopies
from npc_engine.inference.kv.disk import Completion, DiskTier, WasLost, WasRead, WasWritten
from npc_engine.inference.kv.disk_file import Stored
from npc_engine.inference.kv.ram import RamTier
from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.kv.tree import BlockTree

_log = logging.getLogger(__name__)

_WRITE_BATCH = 8
"""Blocks written in one go: a request that needs to read waits for at most these."""

_SPILL_BATCH = 32
"""The same while RAM is over its budget: then getting below it is what matters."""

_SPILL_SECONDS = 0.8
"""How long RAM may stay over a lowered budget so that blocks are written before they go. A ceiling is a ceiling: what
is not written by then is dropped and computed anew when it is needed."""

_LOOK_AT = 256
"""When room is needed, a block that is on disk already goes first if it is among so many of the oldest."""

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
    """``ram`` and, if there is one, ``disk``. ``tree`` knows every block that is in at least one of them.

    ``copies`` go between RAM and slots: by default the processor's.
    """

    def __init__(self, tree: BlockTree, ram: RamTier, disk: DiskTier | None, copies: Copies | None = None) -> None:
        self._tree, self._ram, self._disk = tree, ram, disk
        self._copies: Copies = copies or PlainCopies()
        self._under_way: list[tuple[Flight, tuple[Block, ...]]] = []
        self._unwritten: OrderedDict[Block, None] = OrderedDict()
        self._writing = 0
        self._write_again = 0.0
        self._over_since: float | None = None

    def adopt(self, stored: Sequence[Stored]) -> None:
        """Begin with what an earlier run left on disk. Blocks whose beginning is missing are deleted there."""
        assert self._disk is not None
        children: dict[bytes, list[Stored]] = {}
        for entry in stored:
            children.setdefault(entry.parent, []).append(entry)
        ahead, adopted = [self._tree.root], dict[bytes, Block]()
        while ahead:
            parent = ahead.pop()
            for entry in children.get(parent.identity, ()):
                if entry.tokens in parent.children or not 0 < len(entry.tokens) <= BLOCK_TOKENS:
                    continue
                block = self._tree.add(parent, entry.tokens)
                if block.identity != entry.identity:
                    self._tree.remove(block)
                    continue
                adopted[block.identity] = block
                if block.full:
                    ahead.append(block)
        self._disk.restore((adopted[e.identity], e.cost) for e in stored if e.identity in adopted)
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
        self._follow(self._copies.load(match, slots, slot), *(block for block, _ in match.parts))
        if match.last is not None:
            self._touch(match.last)

    def save(self, tokens: Sequence[int], slots: Slots, slot: int, *, tail: bool) -> None:
        """Keep what a slot has computed for ``tokens``; the unfinished last block only if ``tail``.

        Blocks that are in RAM already are not copied again. Where the budget leaves no room, the rest is not kept.
        """
        kept: list[Block] = []
        try:
            for start in range(0, len(tokens), BLOCK_TOKENS):
                chunk = tuple(tokens[start : start + BLOCK_TOKENS])
                if len(chunk) < BLOCK_TOKENS and not tail:
                    break
                block = self._keep(kept[-1] if kept else self._tree.root, chunk, slots, slot, start)
                if block is None:
                    break
                block.pins += 1
                kept.append(block)
        finally:
            for block in kept:
                block.pins -= 1
        if kept:
            self._touch(kept[-1])

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
        self._land()
        if self._disk is not None:
            for completion in self._disk.completions():
                self._take(completion)
            # What was held or moving when the budget fell can go by now.
            self._fit_disk()
            if len(self._unwritten) * self._ram.block_bytes > _DIRTY_SHARE * self._ram.budget:
                self.write_through()
        self._fit_ram()

    def write_down(self) -> bool:
        """``write_through``, while there is time to wait for copies."""
        self._settle()
        return self.write_through()

    def write_through(self) -> bool:
        """Start writing some blocks that are only in RAM to disk, unless some are being written. Whether it did."""
        if self._disk is None or self._writing or time.monotonic() < self._write_again:
            return False
        batch: list[Block] = []
        size, most = 0, _SPILL_BATCH if self._ram.over_budget else _WRITE_BATCH
        for block in self._unwritten:
            parent = block.parent
            assert parent is not None
            if block.copies:
                continue
            if parent is not self._tree.root and not parent.disk_bytes and parent not in batch:
                continue
            size += self._disk.room_for(block)
            if not self._make_disk_room(size, block):
                break
            block.moving = True
            batch.append(block)
            if len(batch) == most:
                break
        for block in batch:
            del self._unwritten[block]
        if batch:
            self._writing = len(batch)
            self._disk.write(batch)
        return bool(batch)

    def set_budgets(self, ram: int | None, disk: int | None) -> None:
        """Change the ceilings. What is beyond them leaves, within a second; what is only in RAM is written before."""
        if disk is not None and self._disk is not None:
            self._disk.budget = disk
            self._fit_disk()
            self._disk.set_budget(disk)
        if ram is not None:
            self._settle()
            self._ram.budget = ram
            self._fit_ram()
            self._ram.trim()

    def use(self) -> Mapping[str, tuple[int, int]]:
        """Bytes used and allowed, by tier."""
        disk = (self._disk.used, self._disk.budget) if self._disk is not None else (0, 0)
        return {"ram": (self._ram.used, self._ram.budget), "disk": disk}

    def forget(self, beginning: Tokens, keep: Iterable[Tokens]) -> bool:
        """Delete all that continues ``beginning``, but for whole blocks that the sequences in ``keep`` begin with.

        False if some of it is being read, written, copied or waited for right now: ask again after ``poll``.
        """
        matches = [self._tree.match(tokens, len(tokens)) for tokens in keep]
        # A block of which only the first tokens are theirs holds something else, too.
        kept = {block for match in matches for block, count in match.parts if count == len(block.tokens)}
        lost = [block for block in self._tree.beyond(beginning) if block not in kept]
        stored: list[bytes] = []
        for block in reversed(lost):
            if block.moving or block.copies or block.pins or block.children:
                continue
            if block.state is not None:
                self._ram.drop(block)
            self._unwritten.pop(block, None)
            if block.disk_bytes:
                assert self._disk is not None
                self._disk.forget(block)
                stored.append(block.identity)
            self._tree.remove(block)
        if stored:
            assert self._disk is not None
            self._disk.delete(stored, wipe=True)
        return not any(self._knows(block) for block in lost)

    def clear(self) -> None:
        """Forget everything, on disk too, once the disk has done what it is doing. Who holds a block no longer does."""
        self._settle()
        if self._disk is not None:
            self._disk.clear()
        self._ram.clear()
        self._tree.clear()
        self._unwritten.clear()
        self._writing = 0

    def close(self) -> None:
        """Write what is not on disk yet, and close the file."""
        self._settle()
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

    def check_integrity(self, holders: Iterable[Block] | None = None) -> None:
        """Assert what must hold between steps, in each tier and across them; and that only ``holders`` hold blocks."""
        self._tree.check_integrity()
        self._ram.check_integrity()
        blocks = list(self._tree)
        assert {b for b in blocks if b.state is not None} == set(self._ram.order)
        assert all(block.pins >= 0 for block in blocks)
        copies = Counter(block for _, copied in self._under_way for block in copied)
        assert all(block.copies == copies[block] for block in blocks)
        if holders is not None:
            pins = Counter(node for block in holders for node in block.lineage())
            assert all(block.pins == pins[block] for block in blocks)
        assert self.awaits_disk or not any(block.moving for block in blocks)
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
        if known is None and (tail := self._tree.tail_of(parent, chunk)) is not None and tail.state is not None:
            self._grow(tail, chunk, slots, slot, start)
            return tail
        if not self._make_ram_room():
            return None
        state = self._ram.take()
        try:
            flight = self._copies.save(state, slots, slot, start, 0, len(chunk))
        except BaseException:
            self._ram.give_back(state)
            raise
        block = known or self._tree.add(parent, chunk)
        self._ram.put(block, state)
        self._follow(flight, block)
        return block

    def _grow(self, tail: Block, chunk: Tokens, slots: Slots, slot: int, start: int) -> None:
        assert tail.state is not None
        if tail.disk_bytes:
            assert self._disk is not None
            self._disk.drop([tail])
        flight = self._copies.save(tail.state, slots, slot, start, len(tail.tokens), len(chunk))
        self._tree.grow(tail, chunk)
        self._follow(flight, tail)

    def _follow(self, flight: Flight, *blocks: Block) -> None:
        """Keep ``blocks`` where they are until their copy has landed."""
        if flight.landed:
            return
        for block in blocks:
            block.copies += 1
        self._under_way.append((flight, blocks))

    def _land(self) -> None:
        """See which copies have landed."""
        still = []
        for flight, blocks in self._under_way:
            if not flight.landed:
                still.append((flight, blocks))
                continue
            for block in blocks:
                block.copies -= 1
        self._under_way = still

    def _settle(self) -> None:
        """Wait for all copies."""
        self._copies.synchronise()
        self._land()

    def _bring_up(self, match: Match) -> None:
        """Start reading what of ``match`` is only on disk, as far as there is room in RAM."""
        if self._disk is None:
            return
        with self.holding(match.last):
            for block, _ in match.parts:
                if block.state is not None or block.moving:
                    continue
                if not block.disk_bytes or not self._make_ram_room():
                    break
                try:
                    state = self._ram.take()
                except (MemoryError, OSError, RuntimeError) as error:  # a budget is no promise that there is memory
                    _log.warning("no memory to bring attention state up from disk (%s); it is computed anew", error)
                    break
                block.moving = True
                self._disk.read(block, state)

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
        wanted = block.state is None and (parent is self._tree.root or parent.state is not None)
        if done.ok and wanted and not self._ram.over_budget:
            self._ram.put(block, done.state)
        else:
            # Saved again while it was read, damaged, or not wanted any more.
            self._ram.give_back(done.state)
        if not done.ok:
            self._lose(block)
        elif block.state is None:
            self._prune(block)
        elif not block.disk_bytes:
            # It has grown meanwhile, or was dropped from disk: nothing that moves is noted for writing.
            self._unwritten[block] = None

    def _was_written(self, done: WasWritten) -> None:
        assert self._disk is not None
        block, parent = done.block, done.block.parent
        assert parent is not None
        self._writing -= 1
        block.moving = False
        in_place = block.identity == done.identity and (parent is self._tree.root or parent.disk_bytes > 0)
        if done.cost and in_place:
            self._disk.put(block, done.cost)
            return
        if done.cost:
            self._disk.delete([done.identity])
        else:
            self._write_again = time.monotonic() + _PATIENCE
        self._unwritten[block] = None

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
        lost = [block, *block.descendants()]
        self._disk.drop([node for node in lost if node.disk_bytes])
        for node in reversed(lost):
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
            victim = self._on_disk_too() or self._ram.order.first(time.monotonic())
            if victim is None:
                return False
            self._evict(victim)
        return True

    def _fit_ram(self) -> None:
        """Bring RAM under its budget. What is not on disk yet is written before it goes, if that is soon done."""
        now = time.monotonic()
        if not self._ram.over_budget:
            self._over_since = None
            return
        self._over_since = self._over_since or now
        while self._ram.over_budget:
            victim = self._on_disk_too()
            if victim is None and now - self._over_since < _SPILL_SECONDS:
                self.write_through()
                if self._writing:
                    return
            victim = victim or self._ram.order.first(now)
            if victim is None:
                return
            self._evict(victim)

    def _fit_disk(self) -> None:
        self._make_disk_room(0, None)

    def _make_disk_room(self, size: int, block: Block | None) -> bool:
        """Make room for ``size`` bytes more, of which the last are ``block``. Whether there is."""
        assert self._disk is not None
        victims: list[bytes] = []
        with self.holding(block):
            while not self._disk.fits(size):
                victim = self._disk.order.first(time.monotonic())
                if victim is None:
                    break
                # It is not written again before it is used again: a full disk must not write in circles.
                self._disk.forget(victim)
                victims.append(victim.identity)
                self._prune(victim)
        if victims:
            self._disk.delete(victims)
        return self._disk.fits(size)

    def _on_disk_too(self) -> Block | None:
        """A block that can leave RAM and loses nothing by it, if one is among the oldest."""
        return self._ram.order.first(time.monotonic(), lambda block: block.disk_bytes > 0, look_at=_LOOK_AT)

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
