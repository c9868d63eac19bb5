"""What is stored about an NPC besides what it lived through."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NpcRecord:
    """One spawned NPC.

    ``variables`` is what the game filled into the persona; ``state`` and ``relationships`` are what it said last; JSON
    values only. ``active`` is false once it was despawned. ``window_start`` is the journal seq of the first entry
    still in the prompt; 0 means all of them. ``spawned_at`` is seconds since the epoch.
    """

    npc: str
    persona: str
    world: str
    variables: Mapping[str, object] = field(default_factory=dict)
    mood: str = ""
    state: Mapping[str, object] = field(default_factory=dict)
    relationships: Mapping[str, Mapping[str, object] | None] = field(default_factory=dict)
    active: bool = True
    window_start: int = 0
    spawned_at: float = field(default_factory=time.time)
