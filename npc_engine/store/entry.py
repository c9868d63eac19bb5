"""One thing that an NPC heard, said or lived through."""

import time
from dataclasses import dataclass, field
from typing import Literal

EntryKind = Literal["heard", "said", "event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """An entry on its way into the journal of ``npc``.

    ``token_ids`` are the ids exactly as the model saw or sampled them; empty when it has not seen them yet.
    ``at`` is seconds since the epoch. ``line_id`` names the line for its sender: a second entry with the same
    ``npc`` and ``line_id`` is not stored.
    """

    npc: str
    kind: EntryKind
    text: str
    speaker_id: str = ""
    speaker_name: str = ""
    speaker_kind: str = "system"
    token_ids: tuple[int, ...] = ()
    at: float = field(default_factory=time.time)
    line_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(NewEntry):
    """A stored entry. ``seq`` grows with every entry of the whole journal and is never given out twice."""

    seq: int
