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
Change = Literal["spawned", "despawned", "forgotten", "updated", "spoke"]
LogLevel = Literal["warning", "error", "critical"]


class Answer(Message):
    """Something a server sends. ``re`` is the id of the request that it answers, where it answers one."""

    re: RequestId | None = Field(None, description="the id of the request that this answers")
    seq: Integer | None = Field(None, description="its place in the session; the server's to set")


class Heartbeat(Part):
    """How the two ends know that the other is there: by WebSocket pings, which libraries answer by themselves."""

    interval_ms: Integer = Field(description="milliseconds between two pings of the server")
    timeout_ms: Integer = Field(description="milliseconds without an answer after which a client is gone")


class Welcome(Answer):
    """The answer to ``hello``: the session begins, or goes on."""

    type: Literal["welcome"] = "welcome"
    session: str = Field(description="the session's name")
    protocol: Integer = Field(description="the version of the protocol that the server speaks, 1")
    server: str = Field(description="the server's name and version")
    limits: Limits = Field(description="what the client may ask for")
    capabilities: list[str] = Field(description="the types of the messages that this server takes")
    model: str = Field(description="the name of the model that speaks for the NPCs")
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

    npc: NpcId = Field(description="the NPC's id in the game")
    persona: str = Field(description="the id of its persona")
    name: str = Field(description="what it is called")
    active: bool = Field(description="false once it was despawned")


class NpcListing(Answer):
    """The answer to ``npc.list``."""

    type: Literal["npc.listing"] = "npc.listing"
    npcs: list[NpcSummary] = Field(description="every NPC that was asked for, by id")


class Remembered(Part):
    """One journal entry."""

    speaker: str = Field(description="who spoke, by name")
    text: str = Field(description="what was said or happened")
    at: float = Field(description="seconds since 1970, UTC")


class KvUse(Part):
    """What is kept of an NPC's attention state, and where it is now.

    ``tier`` is the slowest one that some of it must come from, ``none`` where nothing is kept.
    """

    bytes: Integer = Field(description="how much is kept, in all tiers")
    tier: str = Field(description="device, ram, disk or none")
    tiers: dict[str, Integer] = Field(description="bytes in each tier: device, ram, disk")
    tokens: Integer = Field(description="tokens of the prompt that need not be computed again")


class NpcInfo(Answer):
    """The answer to ``npc.inspect``."""

    type: Literal["npc.info"] = "npc.info"
    npc: NpcId = Field(description="the NPC's id in the game")
    persona: str = Field(description="the id of its persona")
    name: str = Field(description="what it is called")
    active: bool = Field(description="false once it was despawned")
    mood: str = Field(description="its mood now")
    relationships: dict[str, dict[str, JsonValue]] = Field(description="how it stands to others, by their ids")
    journal: list[Remembered] = Field(description="the newest entries, oldest first")
    tokens: dict[str, Integer] = Field(description="tokens in each part of the prompt")
    kv: KvUse = Field(description="what is kept of its attention state")


class ReplyStart(Answer):
    """The NPC begins to answer. What it answers is safely stored by now."""

    type: Literal["reply.start"] = "reply.start"
    npc: NpcId = Field(description="who answers")


class ReplyDelta(Answer):
    """The next piece of the answer. All pieces together are the answer."""

    type: Literal["reply.delta"] = "reply.delta"
    npc: NpcId = Field(description="who answers")
    text: str = Field(description="the next piece")


class ReplySentence(Answer):
    """One whole sentence of the answer, for speech and chat bubbles."""

    type: Literal["reply.sentence"] = "reply.sentence"
    npc: NpcId = Field(description="who answers")
    text: str = Field(description="the sentence")


class ReplyAction(Answer):
    """The NPC does something. The game does it and says with ``action.result`` what came of it."""

    type: Literal["reply.action"] = "reply.action"
    npc: NpcId = Field(description="who acts")
    call: str = Field(description="which of all calls this is, for 'action.result'")
    name: ActionName = Field(description="the action's name")
    args: dict[str, Json] = Field(description="its arguments, as its schema says")


class Usage(Part):
    """Token counts: in the prompt, those of it that were already computed, and generated."""

    prompt_tokens: Integer = Field(description="tokens in the prompt")
    cached_tokens: Integer = Field(description="those of them that were already computed")
    completion_tokens: Integer = Field(description="tokens that were generated")


class Timings(Part):
    """Where the time went, in seconds."""

    queue: float = Field(description="until it was its turn")
    restore: float = Field(description="to bring up what was kept of its attention state")
    prefill: float = Field(description="to read the rest of the prompt")
    first_token: float = Field(description="from the request to the first token")
    total: float = Field(description="from the request to the end")


class ReplyDone(Answer):
    """The answer is complete and remembered.

    With finish ``cancelled``, ``text`` is what was said until then, and ``usage``, ``timings`` and ``mood`` may be
    missing.
    """

    type: Literal["reply.done"] = "reply.done"
    npc: NpcId = Field(description="who answered")
    text: str = Field(description="the whole answer")
    finish: Finish = Field(
        description="why it ended: it said all, was cut at its length, was cancelled; the others are reserved"
    )
    usage: Usage | None = Field(None, description="token counts")
    timings: Timings | None = Field(None, description="where the time went")
    mood: str | None = Field(None, description="the NPC's mood now")


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
    npc: NpcId = Field(description="whose prompt it was")
    tokens_before: Integer = Field(description="tokens in its prompt before")
    tokens_after: Integer = Field(description="and after")


class NpcCounts(Part):
    """NPCs that the server knows; of them those in the game, those awake in memory, and those speaking right now."""

    known: Integer = Field(description="all that were ever spawned and not forgotten")
    active: Integer = Field(description="those in the game")
    awake: Integer = Field(description="those in memory")
    speaking: Integer = Field(description="those that speak right now")


class EngineCounters(Part):
    """Requests to the engine that run and wait now, and what it did since it started."""

    running: Integer = Field(description="requests that run now")
    waiting: Integer = Field(description="requests that wait now")
    steps: Integer = Field(description="steps since the start")
    prompt_tokens: Integer = Field(description="tokens of all prompts since the start")
    cached_tokens: Integer = Field(description="of the prompt tokens, those that were already computed")
    generated_tokens: Integer = Field(description="tokens that were generated since the start")
    parked: Integer = Field(description="how often one had to make room for another")


class TierUse(Part):
    """Bytes of attention state in a tier, and the most there may be."""

    used: Integer = Field(description="bytes that are taken")
    budget: Integer = Field(description="the most there may be")


class Stats(Answer):
    """What the server has to do and what it keeps: the answer to ``stats``, and what its subscribers get."""

    type: Literal["stats"] = "stats"
    sessions: Integer = Field(description="clients that are connected")
    npcs: NpcCounts = Field(description="how many NPCs there are")
    engine: EngineCounters = Field(description="what the engine does")
    tiers: dict[str, TierUse] = Field(description="by name: device, ram, disk")


class NpcChanged(Answer):
    """What became of an NPC, whichever client caused it, and how it is now: what subscribers to ``npc`` get.

    A client that reads slowly gets only the newest change of each NPC. What an NPC said is not told here.
    """

    type: Literal["npc.changed"] = "npc.changed"
    npc: NpcId = Field(description="the NPC's id in the game")
    what: Change = Field(description="it came, was parked, was deleted, was told how things are, or has spoken")
    persona: str = Field(description="the id of its persona")
    name: str = Field(description="what it is called")
    active: bool = Field(description="false once it was despawned or forgotten")
    mood: str = Field(description="its mood now")


class LogLine(Answer):
    """Something went wrong in the server, for whoever looks after it: what subscribers to ``log`` get."""

    type: Literal["log"] = "log"
    level: LogLevel = Field(description="how bad it is")
    logger: str = Field(description="the part of the server that says so")
    text: str = Field(description="what it says, on one line, cut after 500 characters")
    at: float = Field(description="seconds since 1970, UTC")


class Error(Answer):
    """What was asked for didn't happen. ``path`` leads into the request, to what was wrong with it."""

    type: Literal["error"] = "error"
    code: str = Field(description="for programs; see the list of codes")
    message: str = Field(description="for people: what was wrong and what would be right")
    path: str | None = Field(
        None, description="leads into the request to what was wrong, such as 'speaker.name' or 'hearers[2]'"
    )
    retry_after_ms: Integer | None = Field(None, description="milliseconds after which it may work")


class Bye(Answer):
    """The last message of a session; the connection closes."""

    type: Literal["bye"] = "bye"
    reason: str = Field(description="why the session ends, for people")


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
    | NpcChanged
    | LogLine
    | Error
    | Bye
)
ServerMessage = Annotated[AnyAnswer, Field(discriminator="type")]
