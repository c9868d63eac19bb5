"""One client's session, from hello to bye, without sockets.

The driver feeds ``receive`` with frames and carries out the intents that come back; it hands every answer to ``post``
and ``finish``; and it sends what ``next_frame`` gives it, until that is None. Nothing here waits, and no frame makes
anything here raise: a bad one puts an ``error`` into the outbox, and the next good one works.

The states, and what leads from one to the next, are the tables in ``states``; what is wanted done is in ``intents``. A
request is open from the intent ``Start`` until the driver calls ``finish``; open requests have distinct ids.

A session outlives its connection. When that is lost the driver calls ``detach``: what runs goes on, and the answers are
kept with those that were sent and may not have arrived. A new connection begins with a session of its own; if its
``hello`` names an earlier one, the driver gets the intent ``Return``, and either calls ``attach`` on that session and
drops the new one, or ``begin`` on the new one. Messages have their numbers for good: each of them arrives once and in
order, however often the connection is lost, or the session ends because more would have to be kept than may be.
"""

import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bridge.codec import Codec, CodecError, Frame, codec_for
from bridge.intents import (
    POLICY_VIOLATION,
    TRY_AGAIN_LATER,
    Ending,
    HangUp,
    Intent,
    Part,
    Return,
    Start,
    Stop,
    Watch,
)
from bridge.outbox import Outbox
from bridge.protocol import (
    REQUEST_TYPES,
    VERSION,
    ActionResult,
    ActionsRegister,
    ActionsUnregister,
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
    Welcome,
    read_request,
)
from bridge.rate import TokenBucket
from bridge.replay import Replay
from bridge.states import REFUSALS, TAKES, TRANSITIONS, State, Step

TOLD_ONCE = Say | Event | Decide | ActionResult
"""Requests that may leave something in a memory: one that is sent again under its id is not carried out again."""

REFUSED: frozenset[ErrorCode] = frozenset(
    {"unknown_action", "unknown_npc", "unknown_persona", "schema_unsupported", "limit_size", "overloaded"}
)
"""Errors after which such a request may be sent again under its id. After any other, its NPC may have heard it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What all sessions of one server have in common.

    ``resume_window`` is how many seconds a session waits for a client that was cut off; ``heartbeat`` how it is noticed
    that one was.
    """

    limits: Limits = field(default_factory=Limits)
    resume_window: float = 60.0
    token: str | None = None
    server: str = "npc-engine"
    model: str = ""
    retry_after_ms: int = 1000
    heartbeat: Heartbeat = field(default_factory=lambda: Heartbeat(interval_ms=30_000, timeout_ms=120_000))


class Session:
    """One client's session. ``codec`` is None until the first frame shows it, where no subprotocol was agreed on."""

    # Lines and events that were taken, so that one sent twice is not told twice. Older ones are forgotten.
    REMEMBERED_LINES = 4096

    def __init__(self, rules: Rules, *, codec: Codec | None, now: float) -> None:
        self.rules = rules
        self.state = State.GREETING
        self.ending: Ending | None = None
        self.client: Hello | None = None
        self.id = secrets.token_hex(16)
        self.detached_at: float | None = None
        self._codec = codec
        self._outbox = Outbox(rules.limits.queue_messages, rules.limits.queue_bytes)
        self._outbox.codec = codec
        self._replay = Replay()
        self._first: deque[Frame] = deque()  # what a connection is told before it gets what it missed
        self._rate = TokenBucket(rules.limits.messages_per_second, rules.limits.message_burst, now)
        self._open: dict[int | str, AnyRequest] = {}
        self._told: OrderedDict[int | str, int] = OrderedDict()  # by id, the mark of what was told
        self._heard: set[int | str] = set()
        self._npcs: set[str] = set()

    @property
    def open_requests(self) -> Sequence[int | str]:
        """The ids of requests that were started and not finished."""
        return tuple(self._open)

    @property
    def name(self) -> str:
        """What logs call it. The whole id is what a client proves with that the session is its own."""
        return self.id[:8]

    @property
    def kept_bytes(self) -> int:
        """What it keeps for its client: sent and perhaps not arrived, and not yet sent."""
        return self._replay.bytes + self._outbox.bytes

    def receive(self, frame: Frame, now: float) -> list[Intent]:
        """Take one message from the client. ``now`` is in seconds, on a clock that never goes back."""
        if self.state in (State.CLOSED, State.DETACHED):
            return []
        if self._codec is None:
            self._codec = self._outbox.codec = codec_for(frame)
        if wait := self._rate.take(now):
            limit = self.rules.limits.messages_per_second
            retry = int(wait * 1000) + 1
            self._refuse(
                self._codec.peek_id(frame),
                "limit_rate",
                f"More than {limit} messages per second; this one was not read. Wait {retry} ms and send it again.",
                retry_after_ms=retry,
            )
            return self._intents([], now)
        try:
            request = read_request(self._codec.decode(frame, self.rules.limits))
        except CodecError as error:
            request = Error(re=error.re, code=error.code, message=error.message, path=error.path or None)
        if isinstance(request, Error):
            self._put(request)
            return self._intents([], now)
        if request.type not in TAKES[self.state]:
            code, message = REFUSALS[self.state]
            retry_after = self.rules.retry_after_ms if code == "overloaded" else None
            self._refuse(request.id, code, message, "type" if retry_after is None else None, retry_after)
            return self._intents([], now)
        return self._intents(self._take(request), now)

    def post(self, message: AnyAnswer, now: float) -> Ending | None:
        """Queue an answer. Raises CodecError if it can't be written.

        Returns what to do if the client has let too much pile up. Answers to requests that are not open any more, and
        answers after the end, are dropped.
        """
        if self.state is State.CLOSED or (message.re is not None and message.re not in self._open):
            return self.ending
        request = self._open[message.re] if message.re is not None else None
        if isinstance(message, ReplyStart) and message.re is not None:
            self._heard.add(message.re)
        # Once an answer began, the line is in someone's memory: sent again, it would be there twice.
        refused = isinstance(message, Error) and message.code in REFUSED
        if refused and isinstance(request, TOLD_ONCE) and request.id not in self._heard:
            self._told.pop(request.id, None)
        self._put(message)
        self._bound(now)
        return self.ending

    def finish(self, id: int | str, *, succeeded: bool = True) -> None:
        """The request ``id`` has got its last answer."""
        request = self._open.pop(id, None)
        self._heard.discard(id)
        if succeeded and isinstance(request, NpcSpawn):
            self._npcs.add(request.npc)
        elif succeeded and isinstance(request, NpcDespawn | NpcForget):
            self._npcs.discard(request.npc)

    def begin(self, hello: Hello) -> None:
        """Welcome the client to a new session. Called for the intent ``Return`` when there is none to return to."""
        self.client = hello
        self._move(Step.WELCOMED)
        self._outbox.put(self._welcome(hello, resumed=False))

    def can_return(self, last_seq: int) -> bool:
        """Whether a client that has all messages up to ``last_seq`` can have all others."""
        return self.state in (State.READY, State.DETACHED) and self._replay.reaches(last_seq)

    def part(self, code: int, reason: str, now: float) -> Part:
        """Leave the connection, for a reason that it is told, and wait for another."""
        assert self._codec is not None
        bye = self._codec.encode(Bye(reason=reason).to_wire())
        self.detach(now)
        return Part(code, reason, bye)

    def detach(self, now: float) -> None:
        """The connection is lost. What runs goes on, and what comes is kept, as far as that may be."""
        self._move(Step.DETACH)
        self._first.clear()
        if self.state is State.DETACHED:
            self.detached_at = now
            self._bound(now)

    def attach(self, hello: Hello, newcomer: "Session") -> None:
        """Go on where ``hello.resume`` says, on the connection that began with ``newcomer``, which is over then.

        Call when ``can_return`` says so, and the session is detached.
        """
        assert hello.resume is not None
        assert self.can_return(hello.resume.last_seq)
        codec = newcomer._codec
        assert codec is not None
        assert self._codec is not None
        self._move(Step.ATTACH)
        self.client, self.detached_at, self.ending = hello, None, None
        self._replay.rewind(hello.resume.last_seq)
        # What waited meanwhile is owed, too: only what comes from now on says how fast the client reads.
        while (outgoing := self._outbox.take()) is not None:
            assert outgoing.seq is not None
            self._replay.owe(outgoing.seq, outgoing.frame)
        if codec is not self._codec:
            self._replay.recode(self._codec, codec)
            self._codec = self._outbox.codec = codec
        # Its welcome is no message of the session: those that were missed come after it, and have earlier numbers.
        welcome = codec.encode(self._welcome(hello, resumed=True).to_wire())
        self._first.extend((*newcomer._unsent(), welcome))
        newcomer._move(Step.HANG_UP)

    def drain(self) -> None:
        """Start nothing new; what runs may end. The driver then calls ``hang_up``. A client that is away stays away."""
        self._move(Step.DRAIN)

    def hang_up(self, code: int, reason: str) -> HangUp:
        """End the session with a ``bye``, in order after what waits already."""
        if not isinstance(self.ending, HangUp):
            if self._codec is not None:
                self._outbox.put(Bye(reason=reason), numbered=False)
            self._move(Step.HANG_UP)
            self.ending = HangUp(code, reason)
        return self.ending

    def next_frame(self, now: float) -> Frame | None:
        """The next message to send, encoded; None if nothing waits, or nobody is there to send it to."""
        if self.state is State.DETACHED:
            return None
        if self._first:
            return self._first.popleft()
        if (frame := self._replay.take(now)) is not None:
            return frame
        outgoing = self._outbox.take()
        if outgoing is None:
            return None
        if outgoing.seq is not None and self.state is not State.CLOSED:
            self._replay.add(outgoing.seq, outgoing.frame, now)
            self._bound(now)
        return outgoing.frame

    def tidy(self, now: float) -> None:
        """Let go of what has surely arrived. Call every now and then: a quiet session notices nothing by itself.

        It has arrived if a ping that was sent later was answered; and if it had not been, the connection was gone.
        """
        if self.state is State.READY:
            heartbeat = self.rules.heartbeat
            self._replay.drop_sent_before(now - (heartbeat.interval_ms + heartbeat.timeout_ms) / 1000)

    def _take(self, request: AnyRequest) -> list[Intent]:
        match request:
            case Hello():
                return self._greet(request)
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

    def _greet(self, hello: Hello) -> list[Intent]:
        if hello.protocol != VERSION:
            self._refuse(
                hello.id,
                "unsupported_version",
                f"`protocol`: this server speaks version {VERSION}, not {hello.protocol}; say hello again with it.",
                "protocol",
            )
            return []
        # Before anything else: who knows a session's id and not the token must learn nothing about it.
        if self.rules.token is not None:
            given = "" if hello.token is None else hello.token
            if not hmac.compare_digest(given.encode(), self.rules.token.encode()):
                problem = "is missing" if hello.token is None else "is wrong"
                message = f"`token` {problem}; ask whoever runs the server for it (`npc-engine serve --token`)."
                self._refuse(hello.id, "unauthorized", message, "token")
                self.hang_up(POLICY_VIOLATION, "unauthorized")
                return []
        if hello.resume is not None:
            return [Return(hello)]
        self.begin(hello)
        return []

    def _welcome(self, hello: Hello, *, resumed: bool) -> Welcome:
        return Welcome(
            re=hello.id,
            session=self.id,
            protocol=VERSION,
            server=self.rules.server,
            limits=self.rules.limits,
            capabilities=sorted(REQUEST_TYPES),
            model=self.rules.model,
            resumed=resumed,
            resume_window_ms=int(self.rules.resume_window * 1000),
            heartbeat=self.rules.heartbeat,
        )

    def _start(self, request: AnyRequest, id: int | str) -> list[Intent]:
        limits = self.rules.limits
        if id in self._open:
            # The same again: its sender lost the connection and doesn't know whether it arrived. Its answers go on.
            if request != self._open[id]:
                self._refuse_used(id)
        elif isinstance(request, TOLD_ONCE) and id in self._told:
            self._acknowledge(request, id)
        elif len(self._open) >= limits.open_requests:
            message = f"{limits.open_requests} requests are open; wait for one to end or cancel one."
            self._refuse(id, "limit_requests", message)
        elif isinstance(request, NpcSpawn) and len(self._npcs_with(request.npc)) > limits.npcs:
            message = f"`npc`: this session has {limits.npcs} NPCs, which is the limit; despawn some."
            self._refuse(id, "limit_requests", message, "npc")
        else:
            after = self._to_wait_for(request)
            self._open[id] = request
            if isinstance(request, TOLD_ONCE):
                self._told[id] = _mark(request)
                if len(self._told) > self.REMEMBERED_LINES:
                    self._told.popitem(last=False)
            return [Start(request, id, after)]
        return []

    def _acknowledge(self, request: AnyRequest, id: int | str) -> None:
        """Say that ``request`` was told already. Its answers were sent, or are sent before this is."""
        if self._told[id] == _mark(request):
            self._put(Ok(re=id))
        else:
            message = f"`id`: {id!r} was another message in this session; a new one needs a new id."
            self._refuse(id, "bad_message", message, "id")

    def _to_wait_for(self, request: AnyRequest) -> tuple[int | str, ...]:
        """The open requests that bring or park NPCs which ``request`` is about, or change what they can do."""
        if isinstance(request, Say | Event | ActionsRegister | ActionsUnregister):
            books = ActionsRegister | ActionsUnregister
            changing = tuple(id for id, r in self._open.items() if isinstance(r, books))
        else:
            changing = ()
        moves = NpcSpawn | NpcDespawn | NpcForget
        coming_and_going = {id: r.npc for id, r in self._open.items() if isinstance(r, moves)}
        match request:
            case Say():
                npcs = {request.npc, *request.hearers}
            case Event():
                npcs = set(request.hearers)
            case Hint():
                npcs = set(request.npcs)
            case Budget() | AskStats() | ActionsRegister() | ActionsUnregister() | ActionResult():
                return changing
            case NpcSpawn() | NpcDespawn() | NpcForget() | NpcInspect() | NpcUpdate() | Decide():
                npcs = {request.npc}
            case _:
                npcs = set(coming_and_going.values())
        return (*changing, *(id for id, npc in coming_and_going.items() if npc in npcs))

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

    def _bound(self, now: float) -> None:
        """Stop waiting for a client that doesn't read, and stop keeping for one that is away too long."""
        limits = self.rules.limits
        if self.state is State.READY and self._outbox.full:
            self.ending = self.part(TRY_AGAIN_LATER, "reading too slowly", now)
        elif self.state in (State.GREETING, State.DRAINING) and self._outbox.full:
            # It can't come back to this one. What waits is lost to it; keeping it would only cost memory.
            self._outbox.clear()
            self.hang_up(TRY_AGAIN_LATER, "reading too slowly")
        while self._kept_messages > limits.resume_messages or self.kept_bytes > limits.resume_bytes:
            if not self._replay.drop_oldest():
                break
        else:
            return
        if self.state is State.DETACHED:
            self._outbox.clear()
            self._replay.clear()
            self._move(Step.HANG_UP)
            self.ending = self.ending or HangUp(TRY_AGAIN_LATER, "away too long")

    @property
    def _kept_messages(self) -> int:
        return len(self._replay) + len(self._outbox)

    def _unsent(self) -> Iterable[Frame]:
        """What a connection was to be told before it turned out to whom it belongs."""
        while (outgoing := self._outbox.take()) is not None:
            yield outgoing.frame

    def _intents(self, intents: list[Intent], now: float) -> list[Intent]:
        self._bound(now)
        if isinstance(self.ending, HangUp):
            return [self.ending]
        return intents if self.ending is None else [*intents, self.ending]

    def _move(self, step: Step) -> None:
        self.state = TRANSITIONS[self.state][step]


def _mark(request: AnyRequest) -> int:
    """A number that tells ``request`` from another one with its id."""
    return hash(request.model_dump_json())
