"""What goes into a world and what comes out of it. Plain data, one class per thing that can be said or happen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from npc_engine.inference.request import CacheState, EngineStats, FinishReason, Priority, Timings, Usage
from npc_engine.world.actions import Offers

SpeakerKind = Literal["player", "npc", "system"]
Change = Literal["spawned", "despawned", "forgotten", "updated", "spoke"]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says something. ``id`` is the game's; ``name`` is what the NPC hears them called."""

    id: str
    name: str
    kind: SpeakerKind = "player"


@dataclass(frozen=True, slots=True)
class Say:
    """Someone speaks to ``npc``, who answers. ``hearers``, other NPCs, hear both; nobody else does.

    ``offers`` is what it may do about it. With ``max_tokens`` 0 it says nothing.
    """

    npc: str
    speaker: Speaker
    text: str
    hearers: tuple[str, ...] = ()
    priority: Priority = Priority.PLAYER
    deadline_ms: int | None = None
    max_tokens: int | None = None
    offers: Offers = field(default_factory=Offers)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something happens in front of ``hearers``. Silent: they remember it. Otherwise each of them reacts.

    With ``max_tokens`` 0 they say nothing.
    """

    hearers: tuple[str, ...]
    text: str
    kind: str = "event"
    salience: float = 0.5
    silent: bool = True
    max_tokens: int | None = None
    offers: Offers = field(default_factory=Offers)


@dataclass(frozen=True, slots=True)
class Update:
    """How things are with ``npc`` from now on. What is not named stays; None takes a fact or relationship away.

    A fact is a string, a number, a truth value or a list of strings; of a relationship, ``trust`` and ``note`` change.
    """

    npc: str
    state: Mapping[str, object] = field(default_factory=dict)
    mood: str | None = None
    relationships: Mapping[str, Mapping[str, object] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """``npc`` begins to answer. The line it answers is in the journal by now."""

    npc: str


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """The next piece of the answer, as it is generated."""

    npc: str
    text: str


@dataclass(frozen=True, slots=True)
class ReplySentence:
    """One whole sentence, for speech and chat bubbles. All sentences together are the answer."""

    npc: str
    text: str


@dataclass(frozen=True, slots=True)
class ReplyAction:
    """``npc`` does something. ``call`` is the name under which ``World.result`` says what came of it."""

    npc: str
    call: str
    name: str
    args: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The answer is complete and in the journal. ``text`` is all of it."""

    npc: str
    text: str
    finish: FinishReason
    usage: Usage
    timings: Timings
    mood: str


@dataclass(frozen=True, slots=True)
class MemoryCompacted:
    """The oldest turns left ``npc``'s prompt, counted in tokens; its journal still has them."""

    npc: str
    tokens_before: int
    tokens_after: int


ReplyEvent = ReplyStarted | ReplyDelta | ReplySentence | ReplyAction | ReplyDone | MemoryCompacted


@dataclass(frozen=True, slots=True)
class NpcSummary:
    """One line about an NPC. ``active`` is false once it was despawned or forgotten."""

    npc: str
    persona: str
    name: str
    active: bool


@dataclass(frozen=True, slots=True)
class NpcChanged:
    """What became of an NPC, and how it is now. That it spoke is told; what it said is for those who heard it."""

    what: Change
    summary: NpcSummary
    mood: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """One journal entry as an inspector sees it; ``at`` is seconds since the epoch."""

    speaker: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class NpcInfo:
    """What an NPC is made of right now.

    ``tokens`` is per part of the prompt, ``kv`` what is kept of its attention state; ``journal`` the newest entries.
    """

    npc: str
    persona: str
    name: str
    active: bool
    mood: str
    relationships: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    journal: tuple[Remembered, ...] = ()
    tokens: Mapping[str, int] = field(default_factory=dict)
    kv: CacheState = field(default_factory=lambda: CacheState(0, {}))


@dataclass(frozen=True, slots=True)
class WorldStats:
    """How many NPCs there are: known, in the game, awake in memory, and speaking right now; and the engine's part."""

    known: int
    active: int
    awake: int
    speaking: int
    engine: EngineStats
