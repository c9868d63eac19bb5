"""Server to client: what a game hears back.

Every message after ``welcome``, and ``welcome`` itself, belongs to a session and carries ``seq``: 1, 2, 3, ... without
gaps. Errors before it have none. Times are seconds.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from bridge.protocol.actions import ActionName
from bridge.protocol.base import Integer, Json, Message, NpcId, Part, RequestId
from bridge.protocol.limits import Limits

ErrorCode = Literal[
    "bad_message",
    "unknown_type",
    "unsupported_version",
    "unauthorized",
    "unknown_npc",
    "unknown_persona",
    "invalid_persona",
    "unknown_action",
    "schema_unsupported",
    "limit_size",
    "limit_rate",
    "limit_requests",
    "deadline",
    "cancelled",
    "overloaded",
    "checkpoint_not_found",
    "internal",
]
"""The codes of this version. Clients must take others too: they grow with the protocol."""

Finish = Literal["stop", "length", "cancelled", "deadline", "error"]


class Answer(Message):
    """Something a server sends. ``re`` is the id of the request that it answers, where it answers one."""

    re: RequestId | None = None
    seq: Integer | None = Field(None, description="its place in the session; the server's to set")


class Heartbeat(Part):
    """How the two ends know that the other is there: by WebSocket pings, which libraries answer by themselves."""

    interval_ms: Integer = Field(description="milliseconds between two pings of the server")
    timeout_ms: Integer = Field(description="milliseconds without an answer after which a client is gone")


class Welcome(Answer):
    """The answer to ``hello``: the session begins, or goes on."""

    type: Literal["welcome"] = "welcome"
    session: str
    protocol: Integer
    server: str
    limits: Limits
    capabilities: list[str] = Field(description="the types of the messages that this server takes")
    model: str
    resumed: bool = Field(False, description="true: the session goes on, and what was missed follows")
    resume_window_ms: Integer = Field(
        0, description="milliseconds for which a session that lost its connection can be resumed, 0 for never"
    )
    heartbeat: Heartbeat | None = Field(None, description="when a silent end is taken for gone")


class Ok(Answer):
    """Done."""

    type: Literal["ok"] = "ok"


class Pong(Answer):
    """The answer to ``ping``."""

    type: Literal["pong"] = "pong"


class NpcSummary(Part):
    """One line about an NPC."""

    npc: NpcId
    persona: str
    name: str
    active: bool = Field(description="false once it was despawned")


class NpcListing(Answer):
    """The answer to ``npc.list``."""

    type: Literal["npc.listing"] = "npc.listing"
    npcs: list[NpcSummary]


class Remembered(Part):
    """One journal entry."""

    speaker: str
    text: str
    at: float = Field(description="seconds since 1970, UTC")


class KvUse(Part):
    """What is kept of an NPC's attention state, and where it is now.

    ``tier`` is the slowest one that some of it must come from, ``none`` where nothing is kept.
    """

    bytes: Integer
    tier: str
    tiers: dict[str, Integer] = Field(description="bytes in each tier: device, ram, disk")
    tokens: Integer = Field(description="tokens of the prompt that need not be computed again")


class NpcInfo(Answer):
    """The answer to ``npc.inspect``."""

    type: Literal["npc.info"] = "npc.info"
    npc: NpcId
    persona: str
    name: str
    active: bool
    mood: str
    relationships: dict[str, dict[str, JsonValue]]
    journal: list[Remembered] = Field(description="the newest entries, oldest first")
    tokens: dict[str, Integer] = Field(description="tokens in each part of the prompt")
    kv: KvUse


class ReplyStart(Answer):
    """The NPC begins to answer. What it answers is safely stored by now."""

    type: Literal["reply.start"] = "reply.start"
    npc: NpcId


class ReplyDelta(Answer):
    """The next piece of the answer. All pieces together are the answer."""

    type: Literal["reply.delta"] = "reply.delta"
    npc: NpcId
    text: str


class ReplySentence(Answer):
    """One whole sentence of the answer, for speech and chat bubbles."""

    type: Literal["reply.sentence"] = "reply.sentence"
    npc: NpcId
    text: str


class ReplyAction(Answer):
    """The NPC does something. The game does it and says with ``action.result`` what came of it."""

    type: Literal["reply.action"] = "reply.action"
    npc: NpcId
    call: str = Field(description="which of all calls this is, for 'action.result'")
    name: ActionName = Field(description="the action's name")
    args: dict[str, Json] = Field(description="its arguments, as its schema says")


class Usage(Part):
    """Token counts: in the prompt, those of it that were already computed, and generated."""

    prompt_tokens: Integer
    cached_tokens: Integer
    completion_tokens: Integer


class Timings(Part):
    """Where the time went, in seconds."""

    queue: float
    restore: float
    prefill: float
    first_token: float
    total: float


class ReplyDone(Answer):
    """The answer is complete and remembered.

    With finish ``cancelled``, ``text`` is what was said until then, and ``usage``, ``timings`` and ``mood`` may be
    missing.
    """

    type: Literal["reply.done"] = "reply.done"
    npc: NpcId
    text: str
    finish: Finish
    usage: Usage | None = None
    timings: Timings | None = None
    mood: str | None = None


class Decided(Answer):
    """The answer to ``decide``."""

    type: Literal["decided"] = "decided"
    value: Json = Field(description="the decision, as its schema says")

    def to_wire(self) -> dict[str, Any]:
        """As any message; but a decision may be null, and travels then."""
        return {**super().to_wire(), "value": self.value}


class MemoryCompacted(Answer):
    """The oldest turns left the NPC's prompt; its journal keeps them."""

    type: Literal["memory.compacted"] = "memory.compacted"
    npc: NpcId
    tokens_before: Integer
    tokens_after: Integer


class NpcCounts(Part):
    """NPCs that the server knows; of them those in the game, those awake in memory, and those speaking right now."""

    known: Integer
    active: Integer
    awake: Integer
    speaking: Integer


class EngineCounters(Part):
    """Requests to the engine that run and wait now, and what it did since it started."""

    running: Integer
    waiting: Integer
    steps: Integer
    prompt_tokens: Integer
    cached_tokens: Integer = Field(description="of the prompt tokens, those that were already computed")
    generated_tokens: Integer
    parked: Integer = Field(description="how often one had to make room for another")


class TierUse(Part):
    """Bytes of attention state in a tier, and the most there may be."""

    used: Integer
    budget: Integer


class Stats(Answer):
    """What the server has to do and what it keeps: the answer to ``stats``, and what its subscribers get."""

    type: Literal["stats"] = "stats"
    sessions: Integer = Field(description="clients that are connected")
    npcs: NpcCounts
    engine: EngineCounters
    tiers: dict[str, TierUse] = Field(description="by name: device, ram, disk")


class Error(Answer):
    """What was asked for didn't happen. ``path`` leads into the request, to what was wrong with it."""

    type: Literal["error"] = "error"
    code: str = Field(description="for programs; see the list of codes")
    message: str = Field(description="for people: what was wrong and what would be right")
    path: str | None = None
    retry_after_ms: Integer | None = None


class Bye(Answer):
    """The last message of a session; the connection closes."""

    type: Literal["bye"] = "bye"
    reason: str


AnyAnswer = (
    Welcome
    | Ok
    | Pong
    | NpcListing
    | NpcInfo
    | ReplyStart
    | ReplyDelta
    | ReplySentence
    | ReplyAction
    | ReplyDone
    | Decided
    | MemoryCompacted
    | Stats
    | Error
    | Bye
)
ServerMessage = Annotated[AnyAnswer, Field(discriminator="type")]
