"""Cold attention state: blocks in one file, read and written by a thread of its own.

The engine's thread asks and goes on; what was done it learns from ``completions``. Requests are carried out in the
order in which they came.
"""

import logging
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from npc_engine.inference.kv.block import BLOCK_TOKENS, Block
from npc_engine.inference.kv.codec import Codec, RawCodec
from npc_engine.inference.kv.disk_file import Damaged, DiskFile, Record, cost_of, usable_budget
from npc_engine.inference.kv.eviction import EvictionOrder
from npc_engine.inference.teams import without_team

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class WasRead:
    """``state`` holds the block's, if ``ok``; otherwise the stored one is damaged or gone."""

    block: Block
    state: torch.Tensor
    ok: bool


@dataclass(frozen=True, slots=True)
class WasWritten:
    """``identity`` of the block is on disk and takes ``cost`` bytes there; 0 when it could not be written."""

    block: Block
    identity: bytes
    cost: int


@dataclass(frozen=True, slots=True)
class WasLost:
    """The file was damaged: nothing that was on disk is there any more."""


Completion = WasRead | WasWritten | WasLost


class DiskTier:
    """Owns ``file``. ``on_completion`` is called on the disk's thread whenever something was done."""

    def __init__(self, file: DiskFile, budget: int, codec: Codec) -> None:
        self._file, self._codec = file, codec
        self.on_completion: Callable[[], None] = _nothing
        self.budget = budget
        self.used = 0
        self.order = EvictionOrder(lambda block: block.disk_bytes > 0)
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._done: deque[Completion] = deque()
        self._open_jobs = 0
        self._thread = threading.Thread(target=self._work, name="kv-disk", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether something was asked whose completion was not taken yet."""
        return self._open_jobs > 0

    def completions(self) -> Iterator[Completion]:
        """What was done since the last call."""
        while self._done:
            completion = self._done.popleft()
            self._open_jobs -= isinstance(completion, WasRead | WasWritten)
            yield completion

    def read(self, block: Block, into: torch.Tensor) -> None:
        """Fill ``into``, memory for a full block, with the state of a block on disk."""
        identity, part = block.identity, into[:, :, :, : len(block.tokens)]
        self._open_jobs += 1
        self._jobs.put(lambda: self._complete(WasRead(block, into, self._read(identity, part))))

    def write(self, blocks: Sequence[Block]) -> None:
        """Write blocks that are in RAM, parents before children, all or none."""
        parents = [block.parent.identity for block in blocks if block.parent is not None]
        views = [block.state[:, :, :, : len(block.tokens)] for block in blocks if block.state is not None]
        assert len(parents) == len(views) == len(blocks)
        known = [(block.identity, parent, block.tokens) for block, parent in zip(blocks, parents, strict=True)]
        self._open_jobs += len(blocks)

        def run() -> None:
            costs = self._write(known, views)
            for block, (identity, _, _), cost in zip(blocks, known, costs, strict=True):
                self._complete(WasWritten(block, identity, cost))

        self._jobs.put(run)

    def room_for(self, block: Block) -> int:
        """Bytes that writing ``block`` may take."""
        assert block.state is not None
        part = block.state[:, :, :, : len(block.tokens)]
        return cost_of(part.numel() * part.element_size())

    def fits(self, size: int) -> bool:
        """Whether ``size`` more bytes stay within the budget."""
        return self.used + size <= usable_budget(self.budget)

    def put(self, block: Block, cost: int) -> None:
        """``block`` is here from now on."""
        assert not block.disk_bytes
        block.disk_bytes = cost
        self.used += cost
        self.order.add(block)

    def restore(self, blocks: Iterable[tuple[Block, int]]) -> None:
        """The file had these ``blocks``, oldest first, of such cost, when it was opened."""
        found: list[Block] = []
        for block, cost in blocks:
            if block.disk_bytes:
                continue
            block.disk_bytes = cost
            self.used += cost
            found.append(block)
        self.order.restore(found)

    def drop(self, blocks: Sequence[Block]) -> None:
        """``blocks`` are no longer here."""
        for block in blocks:
            self.forget(block)
        if blocks:
            self.delete([block.identity for block in blocks])

    def forget(self, block: Block) -> None:
        """``block`` is no longer here, and the file knows or will be told."""
        assert block.disk_bytes
        self.used -= block.disk_bytes
        block.disk_bytes = 0
        self.order.remove(block)

    def delete(self, identities: Sequence[bytes], *, wipe: bool = False) -> None:
        """Remove what is stored under ``identities``; ``wipe``: so that nothing of it can be read any more."""
        self._jobs.put(lambda: self._attempt(lambda: self._file.delete(identities, wipe=wipe)))

    def set_budget(self, budget: int) -> None:
        """Let the file take ``budget`` bytes. Blocks beyond it must have been dropped."""
        self.budget = budget
        self._jobs.put(lambda: self._attempt(lambda: self._file.set_budget(budget)))

    def clear(self) -> None:
        """Begin the file anew, once what was asked before is done. Completions of that are dropped."""
        finished = threading.Event()
        self._jobs.put(self._begin_anew)
        self._jobs.put(finished.set)
        finished.wait()
        self._done.clear()
        self._open_jobs = self.used = 0
        self.order.clear()

    def close(self) -> None:
        """Finish what was asked and close the file."""
        self._jobs.put(lambda: self._attempt(self._file.close))
        self._jobs.put(None)
        self._thread.join()

    def check_integrity(self) -> None:
        """Assert that every block here has a parent here and that the bytes add up."""
        ages = {block: age for age, block in enumerate(self.order)}
        for block, age in ages.items():
            assert block.disk_bytes
            parent = block.parent
            assert parent is not None
            assert parent.parent is None or (parent.disk_bytes and ages[parent] > age)
        assert sum(block.disk_bytes for block in ages) == self.used

    def _work(self) -> None:
        without_team()
        while (job := self._jobs.get()) is not None:
            job()

    def _complete(self, completion: Completion) -> None:
        self._done.append(completion)
        self.on_completion()

    def _read(self, identity: bytes, part: torch.Tensor) -> bool:
        def read() -> bool:
            try:
                self._file.read(identity, part)
            except Damaged as error:
                _log.warning("attention state on disk is computed anew: %s", error)
                return False
            return True

        return self._attempt(read) or False

    def _write(self, known: Sequence[tuple[bytes, bytes, tuple[int, ...]]], views: Sequence[torch.Tensor]) -> list[int]:
        def records() -> Iterator[Record]:
            for (identity, parent, tokens), view in zip(known, views, strict=True):
                # An unfinished tail is kept as it is: it is about to be read again and to grow.
                codec = self._codec if len(tokens) == BLOCK_TOKENS else RawCodec()
                try:
                    payload = codec.encode(view)
                except ValueError:
                    codec = RawCodec()
                    payload = codec.encode(view)
                yield Record(identity, parent, tokens, codec.name, payload)

        return self._attempt(lambda: self._file.write(records())) or [0] * len(known)

    def _attempt(self, action: Callable[[], _T]) -> _T | None:
        """Run ``action``; None if the disk refused."""
        try:
            with torch.inference_mode():
                return action()
        except (sqlite3.OperationalError, OSError, MemoryError) as error:
            _log.warning(
                "the disk tier of the KV cache can't be used now (%s); what is lost is computed anew. "
                "Free some space, or lower --disk-budget.",
                error,
            )
        except sqlite3.DatabaseError as error:
            _log.warning("the disk tier of the KV cache is damaged (%s); it is begun anew", error)
            self._begin_anew()
        except Exception:  # the thread must live on: requests wait for its completions
            _log.exception("the disk tier of the KV cache failed")
        return None

    def _begin_anew(self) -> None:
        self._complete(WasLost())
        try:
            self._file.begin_anew()
        except (sqlite3.Error, OSError, MemoryError) as error:
            _log.warning("the disk tier of the KV cache can't be made (%s); check the data folder", error)


def _nothing() -> None:
    """Nobody listens yet."""
