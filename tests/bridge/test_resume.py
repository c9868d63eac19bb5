"""A session that outlives its connections, without sockets: what was missed comes once and in order, or not at all."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.codec import JSON, MSGPACK, OWN_LIMITS, Codec, Frame
from bridge.intents import HangUp, Part, Return, Start
from bridge.protocol import Heartbeat, Limits, Ok, ReplyDelta, ReplyDone, ReplySentence
from bridge.session import Rules, Session
from bridge.sessions import Sessions
from bridge.states import State

LIMITS = Limits(
    queue_messages=8, queue_bytes=65536, resume_messages=24, resume_bytes=65536, open_requests=64, message_burst=10**6
)
SAY = {"type": "say", "npc": "greta", "speaker": {"id": "p"}, "text": "Hi"}


def hello(**fields: Any) -> dict[str, Any]:
    return {"type": "hello", "protocol": 1, "client": {"name": "test"}, "id": 0, **fields}


@dataclass
class Kept:
    """What a driver would keep for a session."""

    session: Session


class Player:
    """A client that keeps what it got, and the server's side of its sessions. Time moves where the test says so."""

    def __init__(self, limits: Limits = LIMITS, window: float = 60.0, token: str | None = None) -> None:
        self.rules = Rules(limits=limits, token=token, heartbeat=Heartbeat(interval_ms=20_000, timeout_ms=80_000))
        self.sessions: Sessions[Kept] = Sessions(window, most=4)
        self.now = 0.0
        self.codec: Codec = MSGPACK
        self.got: list[dict[str, Any]] = []
        self.session: Session
        self.welcome: dict[str, Any] = {}
        self.open()
        self.send(**hello())
        self.read()

    @property
    def last_seq(self) -> int:
        return max((message["seq"] for message in self.got if "seq" in message), default=0)

    def open(self) -> None:
        self.session = Session(self.rules, codec=None, now=self.now)
        self.sessions.add(Kept(self.session))

    def send(self, **message: Any) -> list[Any]:
        intents = self.session.receive(self.codec.encode(message), self.now)
        for intent in intents:
            if isinstance(intent, Return):
                self._come_back(intent)
        return intents

    def come_back(self, last_seq: int | None = None, session: str | None = None, **fields: Any) -> bool:
        """Connect anew, and ask for the session. Whether it was given."""
        named = {
            "session": self.session.id if session is None else session,
            "last_seq": self.last_seq if last_seq is None else last_seq,
        }
        self.open()
        self.send(**hello(resume=named, **fields))
        self.read()
        return bool(self.welcome.get("resumed"))

    def read(self, most: int = 10**6) -> list[dict[str, Any]]:
        """Take up to ``most`` messages off the connection."""
        read = []
        while len(read) < most and (frame := self.session.next_frame(self.now)) is not None:
            read.append(self.decode(frame))
        self.got += read
        for message in read:
            if message["type"] == "welcome":
                self.welcome = message
        return read

    def lose(self, most: int = 10**6) -> None:
        """Up to ``most`` messages are sent and never arrive; then the connection is gone."""
        for _ in range(most):
            if self.session.next_frame(self.now) is None:
                break
        self.session.detach(self.now)

    def decode(self, frame: Frame) -> dict[str, Any]:
        return self.codec.decode(frame, OWN_LIMITS)

    def start(self, id: int, **message: Any) -> None:
        [start] = self.send(**{**SAY, **message}, id=id)
        assert isinstance(start, Start)

    def post(self, *texts: str, re: int = 1) -> None:
        for text in texts:
            self.session.post(ReplySentence(re=re, npc="greta", text=text), self.now)

    def _come_back(self, intent: Return) -> None:
        assert intent.hello.resume is not None
        last_seq = intent.hello.resume.last_seq
        found = self.sessions.find(intent.hello.resume.session, self.now)
        if found is not None and found.session.state is State.READY and found.session.can_return(last_seq):
            found.session.part(4001, "taken over", self.now)
        if found is None or not found.session.can_return(last_seq):
            self.session.begin(intent.hello)
        else:
            found.session.attach(intent.hello, self.session)
            self.session = found.session


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["text"] for message in messages if "text" in message]


# Coming back


def test_what_was_missed_arrives_once_and_in_order_and_what_runs_goes_on() -> None:
    player = Player()
    player.start(1)
    player.post("one", "two")
    player.read(1)
    player.lose()
    player.post("three")
    assert player.come_back()
    player.post("four")
    player.read()
    assert texts(player.got) == ["one", "two", "three", "four"]
    assert [message["seq"] for message in player.got if "seq" in message] == [1, 2, 3, 4, 5]


def test_the_welcome_to_an_earlier_session_comes_first_and_is_none_of_its_messages() -> None:
    player = Player()
    first = player.welcome
    player.start(1)
    player.post("one")
    player.lose()
    assert player.come_back()
    assert (player.welcome["session"], player.welcome["re"]) == (first["session"], 0)
    assert (first["resumed"], first["seq"], "seq" in player.welcome) == (False, 1, False)
    assert [message["type"] for message in player.got] == ["welcome", "welcome", "reply.sentence"]


def test_what_arrived_is_not_sent_again() -> None:
    player = Player()
    player.start(1)
    player.post("one", "two")
    player.read()
    player.lose()
    assert player.come_back()
    assert texts(player.got) == ["one", "two"]


def test_a_connection_may_be_lost_while_it_catches_up() -> None:
    player = Player()
    player.start(1)
    player.post("one", "two", "three")
    player.lose()
    player.open()
    lost = player.got[0]["session"]
    player.send(**hello(resume={"session": lost, "last_seq": 1}))
    assert texts(player.read(2)) == ["one"]
    player.lose(1)
    assert player.come_back()
    assert texts(player.got) == ["one", "two", "three"]


def test_pieces_that_come_while_nobody_is_there_are_merged() -> None:
    player = Player()
    player.start(1)
    player.session.post(ReplyDelta(re=1, npc="greta", text="a"), player.now)
    player.lose()
    for text in "bcd":
        player.session.post(ReplyDelta(re=1, npc="greta", text=text), player.now)
    assert player.come_back()
    assert [(message["text"], message["seq"]) for message in player.got if "text" in message] == [("a", 2), ("bcd", 3)]


def test_a_client_may_come_back_with_another_codec() -> None:
    player = Player()
    player.start(1)
    player.post("one")
    player.lose()
    player.session.post(ReplyDelta(re=1, npc="greta", text="tw"), player.now)
    player.codec = JSON
    assert player.come_back()
    player.session.post(ReplyDelta(re=1, npc="greta", text="o"), player.now)
    player.read()
    assert texts(player.got) == ["one", "tw", "o"]


def test_too_slow_a_client_may_come_back_for_all_of_it() -> None:
    player = Player()
    player.start(1)
    wanted = [str(number) for number in range(LIMITS.queue_messages + 3)]
    player.post(*wanted)
    assert isinstance(player.session.ending, Part)
    assert player.come_back()
    assert player.session.ending is None
    assert texts(player.got) == wanted


def test_a_second_connection_takes_over_and_the_first_gets_nothing_more() -> None:
    player = Player()
    player.start(1)
    first = player.session
    assert player.come_back()
    assert player.session is first
    player.post("one")
    assert texts(player.read()) == ["one"]


def test_requests_keep_their_limits_and_their_ids() -> None:
    player = Player(LIMITS.model_copy(update={"open_requests": 2}))
    player.start(1)
    player.start(2)
    player.lose()
    assert player.come_back()
    assert player.session.open_requests == (1, 2)
    assert player.send(**SAY, id=3) == []
    assert player.read()[-1]["code"] == "limit_requests"


def test_what_the_newcomer_was_told_before_comes_first() -> None:
    player = Player()
    lost = player.session.id
    player.lose()
    player.open()
    player.send(type="ping", id="early")
    player.send(**hello(resume={"session": lost, "last_seq": 1}))
    assert [message["type"] for message in player.read()] == ["error", "welcome"]
    assert player.welcome["resumed"]


# Lines that are sent again


@pytest.mark.parametrize("ended", [False, True])
def test_a_line_that_is_sent_again_after_coming_back_is_answered_once(ended: bool) -> None:
    player = Player()
    player.start(1)
    player.lose()
    if ended:
        player.session.post(ReplyDone(re=1, npc="greta", text="Aye.", finish="stop"), player.now)
        player.session.finish(1)
    assert player.come_back()
    assert player.send(**SAY, id=1) == []
    if not ended:
        player.session.post(ReplyDone(re=1, npc="greta", text="Aye.", finish="stop"), player.now)
        player.session.finish(1)
    player.read()
    assert [message["type"] for message in player.got if message.get("re") == 1] == ["reply.done", "ok"][: 1 + ended]


def test_a_line_that_never_arrived_is_told_when_it_is_sent_again() -> None:
    player = Player()
    player.lose()
    assert player.come_back()
    player.start(1)


# Not coming back


@pytest.mark.parametrize("last_seq", [0, 2, 100])
def test_who_asks_for_what_is_not_there_gets_a_new_session_and_is_told(last_seq: int) -> None:
    player = Player()
    player.start(1)
    before = player.session
    player.post(*(str(number) for number in range(6)))
    player.read()
    player.now += 200
    player.session.tidy(player.now)
    player.lose()
    assert not player.come_back(last_seq=last_seq)
    assert player.welcome["session"] != before.id
    assert (player.welcome["resumed"], player.welcome["seq"]) == (False, 1)
    assert player.session.open_requests == ()


def test_an_unknown_session_is_a_new_one() -> None:
    player = Player()
    player.lose()
    assert not player.come_back(session="0" * 32)
    player.start(1)


def test_nobody_waits_longer_than_the_window() -> None:
    player = Player(window=60.0)
    player.lose()
    player.now += 59
    assert player.come_back()
    player.lose()
    player.now += 61
    assert not player.come_back()


def test_a_session_id_is_nothing_without_the_token() -> None:
    player = Player(token=None)
    player.rules = Rules(limits=LIMITS, token="secret")
    lost = player.session
    player.lose()
    player.open()
    intents = player.send(**hello(resume={"session": lost.id, "last_seq": 1}, token="guess"))
    assert intents == [HangUp(1008, "unauthorized")]
    assert [message["type"] for message in player.read()] == ["error", "bye"]
    assert lost.state is State.DETACHED
    assert player.come_back(session=lost.id, last_seq=1, token="secret")


def test_ids_can_not_be_guessed() -> None:
    ids = {Session(Rules(), codec=None, now=0).id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(bytes.fromhex(id)) == 16 for id in ids)


def test_what_is_kept_has_its_bounds_and_then_the_session_is_over() -> None:
    player = Player()
    player.start(1)
    player.lose()
    count = 0
    while player.session.state is State.DETACHED:
        player.post("x" * 100)
        count += 1
        assert player.session.kept_bytes <= LIMITS.resume_bytes
    assert count == LIMITS.resume_messages + 1
    assert player.session.kept_bytes == 0
    player.session.post(Ok(re=1), player.now)
    assert not player.come_back()


def test_bytes_count_too() -> None:
    player = Player()
    player.start(1)
    player.lose()
    for _ in range(7):
        player.post("x" * 10_000)
    assert player.session.state is State.CLOSED


def test_what_was_sent_before_goes_before_what_was_not() -> None:
    player = Player()
    player.start(1)
    for number in range(100):
        player.post(str(number))
        player.read()
    assert player.session.kept_bytes < LIMITS.resume_bytes
    player.lose()
    player.post(*(str(number) for number in range(100, 110)))
    assert player.come_back()
    assert texts(player.got) == [str(number) for number in range(110)]


def test_a_quiet_session_keeps_nothing() -> None:
    player = Player()
    player.start(1)
    player.post("one")
    player.read()
    assert player.session.kept_bytes > 0
    player.now += 99
    player.sessions.expire(player.now)
    assert player.session.kept_bytes > 0
    player.now += 2
    player.sessions.expire(player.now)
    assert player.session.kept_bytes == 0
    player.lose()
    assert player.come_back()


@pytest.mark.parametrize("state", [State.GREETING, State.DRAINING])
def test_a_session_without_welcome_or_future_ends_with_its_connection(state: State) -> None:
    session = Session(Rules(), codec=MSGPACK, now=0)
    if state is State.DRAINING:
        session.drain()
    session.detach(0)
    assert session.state is State.CLOSED
    assert not session.can_return(0)


def test_a_client_that_is_away_is_not_waited_for_when_the_server_shuts_down() -> None:
    player = Player()
    player.lose()
    player.session.drain()
    assert player.session.state is State.CLOSED


# The register


def test_sessions_that_are_over_are_taken_out_once() -> None:
    player = Player(window=10)
    kept = player.sessions.find(player.session.id, 0)
    assert kept is not None
    player.lose()
    assert player.sessions.expire(9.9) == []
    assert player.sessions.expire(10) == [kept]
    assert player.sessions.expire(10) == []
    assert player.sessions.find(player.session.id, 0) is None
    player.sessions.discard(kept)


def test_of_too_many_that_are_waited_for_the_longest_gone_are_over() -> None:
    player = Player()
    lost = []
    for number in range(6):
        player.now = float(number)
        player.open()
        player.send(**hello())
        player.session.detach(player.now)
        lost.append(player.session)
    over = player.sessions.expire(player.now)
    assert [kept.session for kept in over] == lost[:2]


# All of it, at random


class Conversation(RuleBasedStateMachine):
    """Requests, answers, reading, losing and coming back in any order, against a list of what should arrive."""

    @initialize(messages=st.integers(20, 60))
    def meet(self, messages: int) -> None:
        self.player = Player(LIMITS.model_copy(update={"resume_messages": messages}))
        self.session = self.player.session
        self.expected: list[tuple[int, str]] = []  # what was said, by request
        self.ended: set[int] = set()
        self.ids = 0
        self.away = False

    @precondition(lambda self: not self.away and len(self.session.open_requests) < 4)
    @rule()
    def say(self) -> None:
        self.ids += 1
        self.player.start(self.ids)

    @precondition(lambda self: not self.away and self.ids)
    @rule(data=st.data())
    def say_again(self, data: st.DataObject) -> None:
        id = data.draw(st.integers(1, self.ids))
        # It may be what was too much: its acknowledgement waits, too.
        assert all(isinstance(intent, Part) for intent in self.player.send(**SAY, id=id))
        self.away = self.session.state is not State.READY

    @precondition(lambda self: self.session.open_requests and self.session.state is not State.CLOSED)
    @rule(data=st.data(), text=st.text(max_size=5), piece=st.booleans())
    def answer(self, data: st.DataObject, text: str, piece: bool) -> None:
        id = data.draw(st.sampled_from(self.session.open_requests))
        kind = ReplyDelta if piece else ReplySentence
        self.session.post(kind(re=id, npc="greta", text=text), self.player.now)
        self.expected.append((int(id), text if piece else f"[{text}]"))
        self.away = self.session.state is not State.READY

    @precondition(lambda self: self.session.open_requests)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(self.session.open_requests))
        self.session.post(ReplyDone(re=id, npc="greta", text="", finish="stop"), self.player.now)
        self.session.finish(id)
        self.ended.add(int(id))
        self.away = self.session.state is not State.READY

    @precondition(lambda self: not self.away)
    @rule(most=st.integers(1, 10))
    def read(self, most: int) -> None:
        self.player.read(most)

    @precondition(lambda self: not self.away)
    @rule(most=st.integers(0, 10))
    def lose(self, most: int) -> None:
        self.player.lose(most)
        self.away = True

    @rule(codec=st.sampled_from([MSGPACK, JSON]))
    def come_back(self, codec: Codec) -> None:
        player, session = self.player, self.session
        could = player.sessions.find(session.id, player.now) is not None and session.can_return(player.last_seq)
        was_away = session.state is State.DETACHED
        player.codec = codec
        came_back = player.come_back()
        # One that is taken over from a connection that reads nothing may turn out to be beyond what may be kept.
        assert came_back == could if was_away else came_back <= could
        self.away = False
        if came_back:
            assert player.session is session
            self.check_all()
        else:
            self.session = player.session
            self.expected, self.ended, self.ids, player.got = [], set(), 0, player.got[-1:]

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.player.now += seconds
        self.player.sessions.expire(self.player.now)

    @invariant()
    def is_bounded(self) -> None:
        if self.session.state is State.DETACHED:
            assert self.session.kept_bytes <= self.player.rules.limits.resume_bytes
            assert self.session._kept_messages <= self.player.rules.limits.resume_messages

    def check_all(self) -> None:
        """All that was said has arrived, once and in order, and all numbers without a gap."""
        numbers = [message["seq"] for message in self.player.got if "seq" in message]
        assert numbers == list(range(1, len(numbers) + 1))
        for id in range(1, self.ids + 1):
            mine = [message for message in self.player.got if message.get("re") == id]
            assert "".join(map(_shown, mine)) == "".join(text for re, text in self.expected if re == id)
            assert sum(message["type"] == "reply.done" for message in mine) == (id in self.ended)


def _shown(message: dict[str, Any]) -> str:
    match message["type"]:
        case "reply.delta":
            return str(message["text"])
        case "reply.sentence":
            return f"[{message['text']}]"
    return ""


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
