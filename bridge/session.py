"""One client's session, from hello to bye, without sockets.

The driver feeds ``receive`` with frames and carries out the intents that come back; it hands every answer to ``post``
and ``finish``; and it sends what ``next_frame`` gives it, until that is None. Nothing here waits, and no frame makes
anything here raise: a bad one puts an ``error`` into the outbox, and the next good one works.

The states, and what leads from one to the next, are the two tables below. A request is open from the intent ``Start``
until the driver calls ``finish``; open requests have distinct ids.
"""

import enum
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.codec import Codec, CodecError, Frame, codec_for
from bridge.outbox import Outbox
from bridge.protocol import (
    REQUEST_TYPES,
    VERSION,
    AnyAnswer,
    AnyRequest,
    AskStats,
    Budget,
    Bye,
    Cancel,
    Decide,
    Error,
    ErrorCode,
    Event,
    Heartbeat,
    Hello,
    Hint,
    Limits,
    NpcDespawn,
    NpcForget,
    NpcInspect,
    NpcSpawn,
    NpcUpdate,
    Ok,
    Ping,
    Pong,
    ReplyStart,
    Say,
    Subscribe,
    Topic,
    Welcome,
    read_request,
)
from bridge.rate import TokenBucket

# Close codes of RFC 6455 and its registry.
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
GOING_AWAY = 1001


class State(enum.Enum):
    """Where a session stands."""

    GREETING = enum.auto()
    READY = enum.auto()
    DRAINING = enum.auto()
    CLOSED = enum.auto()


class Step(enum.Enum):
    """What moves a session on."""

    WELCOMED = enum.auto()
    DRAIN = enum.auto()
    HANG_UP = enum.auto()


TRANSITIONS: Mapping[State, Mapping[Step, State]] = {
    State.GREETING: {Step.WELCOMED: State.READY, Step.DRAIN: State.DRAINING, Step.HANG_UP: State.CLOSED},
    State.READY: {Step.DRAIN: State.DRAINING, Step.HANG_UP: State.CLOSED},
    State.DRAINING: {Step.DRAIN: State.DRAINING, Step.HANG_UP: State.CLOSED},
    State.CLOSED: {Step.DRAIN: State.CLOSED, Step.HANG_UP: State.CLOSED},
}

UNSERVED: frozenset[str] = frozenset(
    {
        "action.result",
        "actions.register",
        "actions.unregister",
        "decide",
        "npc.forget",
        "npc.update",
    }
)
"""Requests of the protocol that this server doesn't carry out yet. What ``capabilities`` lists are all others."""

SERVED: frozenset[str] = frozenset(REQUEST_TYPES) - UNSERVED

TAKES: Mapping[State, frozenset[str]] = {
    State.GREETING: frozenset({"hello"}),
    State.READY: SERVED - {"hello"},
    State.DRAINING: frozenset({"cancel", "ping"}),
    State.CLOSED: frozenset(),
}

REFUSALS: Mapping[State, tuple[ErrorCode, str]] = {
    State.GREETING: ("bad_message", "`type`: the first message of a connection is 'hello'."),
    State.READY: ("bad_message", "`type`: 'hello' comes once per connection."),
    State.DRAINING: ("overloaded", "The server is shutting down; connect again in a moment."),
}


REFUSED: frozenset[ErrorCode] = frozenset({"unknown_npc", "unknown_persona", "limit_size", "overloaded"})
"""Errors after which a line may be sent again under its id. After any other, its NPC may have heard it."""


@dataclass(frozen=True, slots=True)
class Start:
    """Run ``request``, post its answers, and call ``finish`` with its id when there are no more.

    It begins once the open requests ``after`` have finished: they decide whether its NPCs are there at all.
    """

    request: AnyRequest
    id: int | str
    after: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """Cancel the open request ``id``; its own answers say how it ended."""

    id: int | str


@dataclass(frozen=True, slots=True)
class Watch:
    """Post what there is to say about ``topics`` from now on, and about no others."""

    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True)
class HangUp:
    """Cancel all open requests, send what waits in the outbox, then close the connection with ``code``."""

    code: int
    reason: str


Intent = Start | Stop | Watch | HangUp


@dataclass(frozen=True, slots=True)
class Rules:
    """What all sessions of one server have in common."""

    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    server: str = "npc-engine"
    model: str = ""
    retry_after_ms: int = 1000
    heartbeat: Heartbeat | None = None


class Session:
    """One client's session. ``codec`` is None until the first frame shows it, where no subprotocol was agreed on."""

    # Ids of lines and events that were taken, so that one sent twice is not told twice. Older ones are forgotten.
    REMEMBERED_LINES = 4096

    def __init__(self, rules: Rules, *, codec: Codec | None, now: float) -> None:
        self.rules = rules
        self.state = State.GREETING
        self.hung_up: HangUp | None = None
        self.client: Hello | None = None
        self.id = ""
        self._codec = codec
        self._outbox = Outbox(rules.limits.queue_messages, rules.limits.queue_bytes)
        self._outbox.codec = codec
        self._rate = TokenBucket(rules.limits.messages_per_second, rules.limits.message_burst, now)
        self._open: dict[int | str, AnyRequest] = {}
        self._said: OrderedDict[int | str, None] = OrderedDict()
        self._heard: set[int | str] = set()
        self._npcs: set[str] = set()

    @property
    def open_requests(self) -> Sequence[int | str]:
        """The ids of requests that were started and not finished."""
        return tuple(self._open)

    def receive(self, frame: Frame, now: float) -> list[Intent]:
        """Take one message from the client. ``now`` is in seconds, on a clock that never goes back."""
        if self.state is State.CLOSED:
            return []
        if self._codec is None:
            self._codec = self._outbox.codec = codec_for(frame)
        if wait := self._rate.take(now):
            limit = self.rules.limits.messages_per_second
            self._refuse(
                self._codec.peek_id(frame),
                "limit_rate",
                f"More than {limit} messages per second; this one was not read.",
                retry_after_ms=int(wait * 1000) + 1,
            )
            return self._intents([])
        try:
            request = read_request(self._codec.decode(frame, self.rules.limits))
        except CodecError as error:
            request = Error(re=error.re, code=error.code, message=error.message, path=error.path or None)
        if isinstance(request, Error):
            self._put(request)
            return self._intents([])
        if request.type in UNSERVED and self.state is State.READY:
            message = f"`type`: this server doesn't take {request.type!r} yet; `capabilities` lists what it takes."
            self._refuse(request.id, "unknown_type", message, "type")
            return self._intents([])
        if request.type not in TAKES[self.state]:
            code, message = REFUSALS[self.state]
            retry = self.rules.retry_after_ms if code == "overloaded" else None
            self._refuse(request.id, code, message, "type" if retry is None else None, retry)
            return self._intents([])
        return self._intents(self._take(request))

    def post(self, message: AnyAnswer) -> HangUp | None:
        """Queue an answer. Raises CodecError if it can't be written.

        Returns what to do if the client has let too much pile up; the session is closed then. Answers to requests
        that are not open any more, and answers after the end, are dropped.
        """
        if self.state is State.CLOSED or (message.re is not None and message.re not in self._open):
            return self.hung_up
        request = self._open[message.re] if message.re is not None else None
        if isinstance(message, ReplyStart) and message.re is not None:
            self._heard.add(message.re)
        # Once an answer began, the line is in someone's memory: sent again, it would be there twice.
        refused = isinstance(message, Error) and message.code in REFUSED
        if refused and isinstance(request, Say | Event) and request.id not in self._heard:
            self._said.pop(request.id, None)
        self._put(message)
        return self.hung_up

    def finish(self, id: int | str, *, succeeded: bool = True) -> None:
        """The request ``id`` has got its last answer."""
        request = self._open.pop(id, None)
        self._heard.discard(id)
        if succeeded and isinstance(request, NpcSpawn):
            self._npcs.add(request.npc)
        elif succeeded and isinstance(request, NpcDespawn | NpcForget):
            self._npcs.discard(request.npc)

    def drain(self) -> None:
        """Start nothing new; what runs may end. The driver then calls ``hang_up``."""
        self._move(Step.DRAIN)

    def hang_up(self, code: int, reason: str) -> HangUp:
        """End the session with a ``bye``, in order after what waits already."""
        if self.hung_up is None:
            if self._codec is not None:
                self._outbox.put(Bye(reason=reason), numbered=self.client is not None)
            self._move(Step.HANG_UP)
            self.hung_up = HangUp(code, reason)
        return self.hung_up

    def next_frame(self) -> Frame | None:
        """The next message to send, encoded; None if nothing waits."""
        return self._outbox.take()

    def _take(self, request: AnyRequest) -> list[Intent]:
        match request:
            case Hello():
                self._greet(request)
                return []
            case Ping():
                self._put(Pong(re=request.id))
                return []
            case Cancel():
                intents: list[Intent] = [Stop(request.target)] if request.target in self._open else []
                # A target that has ended is no error: its last answer and this message may have crossed.
                if request.id is not None:
                    self._put(Ok(re=request.id))
                return intents
            case Subscribe():
                if request.id in self._open:
                    self._refuse_used(request.id)
                    return []
                self._put(Ok(re=request.id))
                return [Watch(frozenset(request.topics))]
            case _:
                return self._start(request, request.id)

    def _greet(self, hello: Hello) -> None:
        if hello.protocol != VERSION:
            self._refuse(
                hello.id,
                "unsupported_version",
                f"`protocol`: this server speaks version {VERSION}, not {hello.protocol}; say hello again with it.",
                "protocol",
            )
            return
        if self.rules.token is not None:
            given = "" if hello.token is None else hello.token
            if not hmac.compare_digest(given.encode(), self.rules.token.encode()):
                problem = "is missing" if hello.token is None else "is wrong"
                message = f"`token` {problem}; ask whoever runs the server for it (`npc-engine serve --token`)."
                self._refuse(hello.id, "unauthorized", message, "token")
                self.hang_up(POLICY_VIOLATION, "unauthorized")
                return
        self.client = hello
        self.id = secrets.token_hex(8)
        self._move(Step.WELCOMED)
        self._put(
            Welcome(
                re=hello.id,
                session=self.id,
                protocol=VERSION,
                server=self.rules.server,
                limits=self.rules.limits,
                capabilities=sorted(SERVED),
                model=self.rules.model,
                heartbeat=self.rules.heartbeat,
            )
        )

    def _start(self, request: AnyRequest, id: int | str) -> list[Intent]:
        limits = self.rules.limits
        if id in self._open:
            self._refuse_used(id)
        elif isinstance(request, Say | Event) and id in self._said:
            what = "line" if isinstance(request, Say) else "event"
            message = f"`id`: {id!r} was told already in this session; a new {what} needs a new id."
            self._refuse(id, "bad_message", message, "id")
        elif len(self._open) >= limits.open_requests:
            message = f"{limits.open_requests} requests are open; wait for one to end or cancel one."
            self._refuse(id, "limit_requests", message)
        elif isinstance(request, NpcSpawn) and len(self._npcs_with(request.npc)) > limits.npcs:
            message = f"`npc`: this session has {limits.npcs} NPCs, which is the limit; despawn some."
            self._refuse(id, "limit_requests", message, "npc")
        else:
            after = self._to_wait_for(request)
            self._open[id] = request
            if isinstance(request, Say | Event):
                self._said[id] = None
                if len(self._said) > self.REMEMBERED_LINES:
                    self._said.popitem(last=False)
            return [Start(request, id, after)]
        return []

    def _to_wait_for(self, request: AnyRequest) -> tuple[int | str, ...]:
        """The open requests that bring or park NPCs which ``request`` is about."""
        moves = NpcSpawn | NpcDespawn | NpcForget
        coming_and_going = {id: r.npc for id, r in self._open.items() if isinstance(r, moves)}
        match request:
            case Say():
                npcs = {request.npc, *request.hearers}
            case Event():
                npcs = set(request.hearers)
            case Hint():
                npcs = set(request.npcs)
            case Budget() | AskStats():
                return ()
            case NpcSpawn() | NpcDespawn() | NpcForget() | NpcInspect() | NpcUpdate() | Decide():
                npcs = {request.npc}
            case _:
                npcs = set(coming_and_going.values())
        return tuple(id for id, npc in coming_and_going.items() if npc in npcs)

    def _npcs_with(self, npc: str) -> set[str]:
        """The session's NPCs if ``npc`` and all that are being spawned become its own."""
        spawning = {request.npc for request in self._open.values() if isinstance(request, NpcSpawn)}
        return self._npcs | spawning | {npc}

    def _refuse_used(self, id: int | str) -> None:
        # Without `re`: the answers with that id are those of the request that runs, and must not seem to end.
        self._refuse(None, "bad_message", f"`id`: {id!r} is the id of a request that still runs.", "id")

    def _refuse(
        self,
        re: int | str | None,
        code: ErrorCode,
        message: str,
        path: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        self._put(Error(re=re, code=code, message=message, path=path, retry_after_ms=retry_after_ms))

    def _put(self, message: AnyAnswer) -> None:
        self._outbox.put(message, numbered=self.client is not None)
        if self._outbox.full:
            # The client doesn't read. What waits is lost to it either way; keeping it would only cost memory.
            self._outbox.clear()
            self.hang_up(TRY_AGAIN_LATER, "reading too slowly")

    def _intents(self, intents: list[Intent]) -> list[Intent]:
        return [self.hung_up] if self.hung_up is not None else intents

    def _move(self, step: Step) -> None:
        self.state = TRANSITIONS[self.state][step]
