"""Who exists: the record of every NPC, in memory and on disk."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from npc_engine.errors import UnknownNpc
from npc_engine.store import Journal, NpcRecord
from npc_engine.world.events import Change, Update


class Records(Mapping[str, NpcRecord]):
    """The records of all NPCs by id. Call ``load`` first.

    A change is seen at once and built upon by the next, so that two that are under way don't undo each other; where it
    can't be stored, it is taken back. ``changed`` is called with what is seen, at that moment: what it was told last is
    always what is there.
    """

    def __init__(self, journal: Journal, changed: Callable[[Change, NpcRecord], None]) -> None:
        self._journal = journal
        self._changed = changed
        self._records: dict[str, NpcRecord] = {}

    async def load(self) -> None:
        """Learn from the journal who exists."""
        self._records = {record.npc: record for record in await self._journal.all()}

    def __getitem__(self, npc: str) -> NpcRecord:
        return self._records[npc]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def known(self, npc: str) -> NpcRecord:
        """The record of ``npc``. Raises UnknownNpc."""
        record = self._records.get(npc)
        if record is None:
            close = difflib.get_close_matches(npc, self._records, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else "Send npc.spawn for it first."
            raise UnknownNpc(f"There is no NPC {npc!r}.", npc=npc, remedy=hint)
        return record

    def is_active(self, npc: str) -> bool:
        """Whether ``npc`` is in the game."""
        record = self._records.get(npc)
        return record is not None and record.active

    async def store(self, record: NpcRecord) -> None:
        """Store ``record`` in place of the NPC's earlier one. Raises OperatorError if that can't be."""
        before = self._records.get(record.npc)
        self._put(record)
        try:
            await self._journal.upsert(record)
        except Exception:
            if self._records.get(record.npc) is record:
                self._put_back(record.npc, before)
            raise

    async def forget(self, npc: str) -> None:
        """Delete the record of ``npc`` and its journal for good. Raises OperatorError if that can't be."""
        before = self._drop(npc)
        try:
            await self._journal.forget(npc)
        except Exception:
            if npc not in self._records:
                self._put(before)
            raise

    def _put(self, record: NpcRecord) -> None:
        what = _difference(self._records.get(record.npc), record)
        self._records[record.npc] = record
        if what is not None:
            self._changed(what, record)

    def _put_back(self, npc: str, record: NpcRecord | None) -> None:
        if record is None:
            self._drop(npc)
        else:
            self._put(record)

    def _drop(self, npc: str) -> NpcRecord:
        record = self._records.pop(npc)
        self._changed("forgotten", replace(record, active=False))
        return record


def updated(record: NpcRecord, update: Update) -> NpcRecord:
    """``record`` with what ``update`` says. What it doesn't name stays as it is."""
    state = {name: fact for name, fact in {**record.state, **update.state}.items() if fact is not None}
    relationships = dict(record.relationships)
    for other, change in update.relationships.items():
        relationships[other] = None if change is None else {**(relationships.get(other) or {}), **change}
    return replace(record, mood=update.mood or record.mood, state=state, relationships=relationships)


def _difference(before: NpcRecord | None, after: NpcRecord) -> Change | None:
    """What has happened to an NPC of which ``before`` was known; None for what only matters to its prompt."""
    if before is None or _who(before) != _who(after):
        return "spawned" if after.active else "despawned"
    return "updated" if _how(before) != _how(after) else None


def _who(record: NpcRecord) -> tuple[object, ...]:
    return record.persona, record.world, record.variables, record.active


def _how(record: NpcRecord) -> tuple[object, ...]:
    return record.mood, record.state, record.relationships
