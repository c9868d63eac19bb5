"""Client to server: what a game can ask for.

The descriptions are part of the protocol: they appear in generated documentation and in the errors that a modder reads.
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.protocol.actions import Action, ActionName, JsonSchema, Scope
from bridge.protocol.base import Fact, Integer, Message, Name, NpcId, Part, RequestId, Words

PriorityName = Literal["player", "ambient", "idle"]
SpeakerKind = Literal["player", "npc", "system"]
Topic = Literal["stats", "npc", "log"]
_TIERS = ("device_bytes", "ram_bytes", "disk_bytes")
_BUDGETS = (*_TIERS, "tokens_per_second")


class ClientInfo(Part):
    """Which game is at the other end; read by people in logs, never acted on."""

    name: Name = Field(description="the client's name, such as 'my-mod'")
    version: str = Field("", description="the client's version", max_length=128)
    game: str = Field("", description="the game it runs in", max_length=128)


class Speaker(Part):
    """Who speaks."""

    id: Name = Field(description="the speaker's id in the game, a string of 1 to 128 characters")
    name: Name | None = Field(None, description="what the NPC hears the speaker called; the id, if not given")
    kind: SpeakerKind = Field("player", description="'player', 'npc' or 'system'")


class Resume(Part):
    """A session that lost its connection, and how much of it arrived."""

    session: Name = Field(description="the session's name, as 'welcome' said it")
    last_seq: Integer = Field(description="the largest 'seq' that the client has seen, 0 for none", ge=0)


class Relationship(Part):
    """How an NPC stands to another or to a player. What is left out stays as it is."""

    trust: Integer | None = Field(None, description="from -5, a sworn enemy, to 5, would die for", ge=-5, le=5)
    note: str | None = Field(None, description="why, in a few words that follow the name", max_length=256)


class Request(Message):
    """Something a client sends. ``id`` comes back as ``re`` in every answer."""

    id: RequestId | None = Field(None, description="a string or an integer that the answers carry as 're'")


class NumberedRequest(Request):
    """A request that runs for a while: its id is how its answers are told apart, and how it is cancelled."""

    id: RequestId = Field(description="a string or an integer that the answers carry as 're'")


class Hello(Request):
    """The first message of a client."""

    type: Literal["hello"] = "hello"
    protocol: Integer = Field(description="the version of the protocol that the client speaks, 1")
    client: ClientInfo = Field(description="who is calling: {name, version, game}")
    token: str | None = Field(None, description="the server's token, where it asks for one")
    resume: Resume | None = Field(None, description="a lost session to go on with: {session, last_seq}")


class NpcSpawn(NumberedRequest):
    """An NPC exists in the game. The same ``npc`` tomorrow is the same mind."""

    type: Literal["npc.spawn"] = "npc.spawn"
    npc: NpcId = Field(description="the NPC's id in the game, a string of 1 to 128 characters")
    persona: Name = Field(description="the id of a persona that the server has loaded")
    world: Name | None = Field(None, description="the world that the persona is in, where several are loaded")
    vars: dict[str, str] | None = Field(None, description="values for the persona's placeholders, all strings")


class NpcDespawn(NumberedRequest):
    """Park an NPC: it keeps everything and hears nothing."""

    type: Literal["npc.despawn"] = "npc.despawn"
    npc: NpcId = Field(description="the id of an NPC that was spawned")


class NpcForget(NumberedRequest):
    """Delete an NPC for good: what it remembers, its mood and all. The same ``npc`` is a new mind afterwards."""

    type: Literal["npc.forget"] = "npc.forget"
    npc: NpcId = Field(description="the id of an NPC that was spawned once")


class NpcUpdate(NumberedRequest):
    """Tell an NPC how things are now. It knows them when it speaks next; they are no part of its history."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [name]} for name in ("state", "mood", "relationships")]}
    )

    type: Literal["npc.update"] = "npc.update"
    npc: NpcId = Field(description="the id of an NPC that was spawned")
    state: dict[Name, Fact] | None = Field(
        None, description="the facts by name, such as 'place' or 'health'; others stay as they are, null takes one away"
    )
    mood: Name | None = Field(None, description="its mood from now on, one of its persona's")
    relationships: dict[Name, Relationship | None] | None = Field(
        None, description="how it stands to others, by their ids; others stay as they are, null takes one away"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.state is None and self.mood is None and self.relationships is None:
            raise PydanticCustomError("no_news", "expected `state`, `mood` or `relationships`")
        return self


class NpcList(NumberedRequest):
    """Ask which NPCs there are."""

    type: Literal["npc.list"] = "npc.list"
    active: bool | None = Field(None, description="true for spawned NPCs only, false for parked ones only")


class NpcInspect(NumberedRequest):
    """Ask what an NPC remembers, feels and costs."""

    type: Literal["npc.inspect"] = "npc.inspect"
    npc: NpcId = Field(description="the id of an NPC that was spawned")


class Say(NumberedRequest):
    """Someone speaks to an NPC; a streamed reply follows. An ``id`` that was accepted is not generated twice."""

    type: Literal["say"] = "say"
    npc: NpcId = Field(description="the id of the NPC that is spoken to")
    speaker: Speaker = Field(description="who speaks: {id, name, kind}")
    text: Words = Field(description="what is said, not empty")
    hearers: list[NpcId] = Field([], description="the ids of the other NPCs that hear the line and the answer")
    priority: PriorityName = Field("player", description="'player', 'ambient' or 'idle': who is served first")
    deadline_ms: Integer | None = Field(None, description="milliseconds after which no answer is wanted", ge=1)
    max_tokens: Integer | None = Field(
        None, description="how long the answer may get, in tokens; 0: it says nothing and acts, or doesn't", ge=0
    )
    actions: list[ActionName] | None = Field(
        None, description="the names of the registered actions that it may take now, [] for none; all, if not given"
    )


class Event(NumberedRequest):
    """Something happens in front of NPCs. Silent: they remember it. Otherwise each of them reacts."""

    type: Literal["event"] = "event"
    hearers: list[NpcId] = Field(description="the ids of the NPCs that notice it, at least one", min_length=1)
    text: Words = Field(description="what happens, not empty")
    kind: Name = Field("event", description="the game's word for this sort of event")
    salience: float = Field(0.5, description="how much it matters, from 0 to 1", ge=0, le=1)
    silent: bool = Field(True, description="true: remember it; false: react to it")
    max_tokens: Integer | None = Field(
        None, description="how long each reaction may get, in tokens; 0: they say nothing and act, or don't", ge=0
    )


class Cancel(Request):
    """The player walked away: stop what ``target`` asked for."""

    type: Literal["cancel"] = "cancel"
    target: RequestId = Field(description="the id of the earlier request that shall stop")


class Ping(Request):
    """Ask for a ``pong``."""

    type: Literal["ping"] = "ping"


class Hint(NumberedRequest):
    """NPCs are likely to be spoken to soon: bring up what they have in mind."""

    type: Literal["hint"] = "hint"
    npcs: list[NpcId] = Field(description="the ids of NPCs that are likely next, at least one", min_length=1)
    eta_ms: Integer = Field(description="milliseconds until then, 0 for any moment", ge=0)


class Budget(NumberedRequest):
    """Change how much attention state may be kept in each tier, and how fast may be generated, for everyone."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [name]} for name in _BUDGETS]})

    type: Literal["budget"] = "budget"
    device_bytes: Integer | None = Field(None, description="the most bytes on the compute device", ge=0)
    ram_bytes: Integer | None = Field(None, description="the most bytes in RAM", ge=0)
    disk_bytes: Integer | None = Field(None, description="the most bytes on disk", ge=0)
    tokens_per_second: float | None = Field(
        None, description="the most tokens that all NPCs together say in a second, 0 for no limit", ge=0, le=1e6
    )

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if all(getattr(self, name) is None for name in _BUDGETS):
            raise PydanticCustomError("no_budget", f"expected one of {', '.join(f'`{name}`' for name in _BUDGETS)}")
        return self

    def tiers(self) -> list[str]:
        """The fields that are given, fastest tier first."""
        return [name for name in _TIERS if getattr(self, name) is not None]


class ActionsRegister(NumberedRequest):
    """NPCs can do these from now on, beside what was registered before. A name that is known is replaced."""

    type: Literal["actions.register"] = "actions.register"
    scope: Scope = Field(description="whose they are: {npc}, {persona} or {all: true}")
    actions: list[Action] = Field(description="the actions, at least one: {name, description, schema}", min_length=1)


class ActionsUnregister(NumberedRequest):
    """NPCs can't do these any more."""

    type: Literal["actions.unregister"] = "actions.unregister"
    scope: Scope = Field(description="whose they were: {npc}, {persona} or {all: true}")
    actions: list[ActionName] = Field(description="the names of actions, at least one", min_length=1)


class ActionResult(NumberedRequest):
    """What came of an action; the NPC remembers it."""

    type: Literal["action.result"] = "action.result"
    call: Name = Field(description="the call that 'reply.action' named")
    ok: bool = Field(description="true: it was done; false: it failed")
    message: str | None = Field(None, description="what came of it, for the NPC to read", max_length=1024)


class Decide(NumberedRequest):
    """Ask an NPC for a decision. It leaves no trace unless it shall be remembered."""

    type: Literal["decide"] = "decide"
    npc: NpcId = Field(description="the id of the NPC that decides")
    question: Words = Field(description="what to decide, not empty")
    json_schema: JsonSchema = Field(alias="schema", description="a JSON Schema that the answer fits")
    remember: bool = Field(False, description="true: the NPC remembers the question and its answer")


class AskStats(NumberedRequest):
    """Ask for ``stats`` once."""

    type: Literal["stats"] = "stats"


class Subscribe(NumberedRequest):
    """Ask to be told about topics from now on, and about nothing else."""

    type: Literal["subscribe"] = "subscribe"
    topics: list[Topic] = Field(description="what to be told about, [] for nothing")


AnyRequest = (
    Hello
    | NpcSpawn
    | NpcDespawn
    | NpcForget
    | NpcUpdate
    | NpcList
    | NpcInspect
    | Say
    | Event
    | Cancel
    | Ping
    | Hint
    | Budget
    | ActionsRegister
    | ActionsUnregister
    | ActionResult
    | Decide
    | AskStats
    | Subscribe
)
ClientMessage = Annotated[AnyRequest, Field(discriminator="type")]
