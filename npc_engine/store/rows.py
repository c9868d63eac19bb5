"""Between the journal's objects and the database's rows. Every statement takes its column order from here."""

import json
from dataclasses import fields
from typing import Any

from npc_engine.store import token_ids
from npc_engine.store.entry import Entry, NewEntry
from npc_engine.store.record import NpcRecord

Row = tuple[Any, ...]

_ENTRY = "npc, kind, text, speaker_id, speaker_name, speaker_kind, token_ids, at, line_id"
_RECORD = "npc, persona, world, variables, mood, state, relationships, active, window_start, spawned_at"

INSERT_ENTRY = (
    f"INSERT INTO entry ({_ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608 - no values, only our columns
    "ON CONFLICT (npc, line_id) WHERE line_id IS NOT NULL DO NOTHING"
)
SELECT_ENTRY = f"SELECT {_ENTRY}, seq FROM entry"  # noqa: S608 - as above
UPSERT_RECORD = f"INSERT OR REPLACE INTO npc ({_RECORD}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - as above
SELECT_RECORD = f"SELECT {_RECORD} FROM npc"  # noqa: S608 - as above

_ENTRY_FIELDS = tuple(field.name for field in fields(NewEntry))


def entry_row(entry: NewEntry) -> Row:
    """The values of ``INSERT_ENTRY``."""
    return (
        entry.npc,
        entry.kind,
        entry.text,
        entry.speaker_id,
        entry.speaker_name,
        entry.speaker_kind,
        token_ids.pack(entry.token_ids),
        entry.at,
        entry.line_id,
    )


def entry(row: Row) -> Entry:
    """The entry in a row of ``SELECT_ENTRY``."""
    npc, kind, text, speaker_id, speaker_name, speaker_kind, packed, at, line_id, seq = row
    return Entry(
        npc=npc,
        kind=kind,
        text=text,
        speaker_id=speaker_id,
        speaker_name=speaker_name,
        speaker_kind=speaker_kind,
        token_ids=token_ids.unpack(packed),
        at=at,
        line_id=line_id,
        seq=seq,
    )


def numbered(new: NewEntry, seq: int) -> Entry:
    """``new`` as it is stored."""
    return Entry(**{name: getattr(new, name) for name in _ENTRY_FIELDS}, seq=seq)


def record_row(record: NpcRecord) -> Row:
    """The values of ``UPSERT_RECORD``. Raises ``TypeError`` for variables that JSON can't hold."""
    return (
        record.npc,
        record.persona,
        record.world,
        json.dumps(dict(record.variables), ensure_ascii=False),
        record.mood,
        json.dumps(dict(record.state), ensure_ascii=False),
        json.dumps(dict(record.relationships), ensure_ascii=False),
        int(record.active),
        record.window_start,
        record.spawned_at,
    )


def record(row: Row) -> NpcRecord:
    """The record in a row of ``SELECT_RECORD``."""
    npc, persona, world, variables, mood, state, relationships, active, window_start, spawned_at = row
    return NpcRecord(
        npc=npc,
        persona=persona,
        world=world,
        variables=json.loads(variables),
        mood=mood,
        state=json.loads(state),
        relationships=json.loads(relationships),
        active=bool(active),
        window_start=window_start,
        spawned_at=spawned_at,
    )
