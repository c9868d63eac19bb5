"""One client's session, without sockets: what it answers, what it wants done, what it survives."""

from typing import Any

import pytest

from bridge.codec import JSON, MSGPACK, Codec
from bridge.intents import Ending, HangUp, Intent, Part, Return, Start, Stop, Watch
from bridge.outbox import Outbox
from bridge.protocol import (
    AnyAnswer,
    Change,
    EngineCounters,
    Error,
    Limits,
    LogLine,
    NpcChanged,
    NpcCounts,
    NpcInspect,
    Ok,
    ReplyDelta,
    ReplyDone,
    ReplySentence,
    ReplyStart,
    Stats,
)
from bridge.rate import TokenBucket
from bridge.session import Rules, Session
from bridge.states import TAKES, TRANSITIONS, State, Step

HELLO: dict[str, Any] = {"type": "hello", "protocol": 1, "client": {"name": "test"}, "id": 0}
LIMITS = Limits(
    message_bytes=2048,
    open_requests=3,
    npcs=2,
    messages_per_second=10,
    message_burst=40,
    queue_messages=10,
    queue_bytes=8192,
)


class Talk:
    """A session and the test's side of it. Time moves only where the test says so."""

    def __init__(self, *, codec: Codec | None = MSGPACK, greeted: bool = True, **rules: Any) -> None:
        self.session = Session(Rules(limits=LIMITS, **rules), codec=codec, now=0.0)
        self.codec = codec or MSGPACK
        self.now = 0.0
        if greeted:
            self.send(**HELLO)
            self.expect("welcome")

    def send_frame(self, frame: bytes | str) -> list[Intent]:
        return self.session.receive(frame, self.now)

    def send(self, **message: Any) -> list[Intent]:
        return self.send_frame(self.codec.encode(message))

    def received(self) -> list[dict[str, Any]]:
        frames = iter(lambda: self.session.next_frame(self.now), None)
        return [self.codec.decode(frame, Limits()) for frame in frames]

    def post(self, message: AnyAnswer) -> Ending | None:
        return self.session.post(message, self.now)

    def expect(self, type: str, **fields: Any) -> dict[str, Any]:
        [message] = self.received()
        assert message["type"] == type
        assert {name: message.get(name) for name in fields} == fields
        return message

    def expect_error(self, code: str, **fields: Any) -> str:
        return str(self.expect("error", code=code, **fields)["message"])

    def expect_alive(self) -> None:
        assert self.send(type="ping", id="alive") == []
        self.expect("pong", re="alive")

    def start(self, id: int | str, **message: Any) -> None:
        request = {"type": "npc.inspect", "npc": "greta", **message}
        [intent] = self.send(id=id, **request)
        assert isinstance(intent, Start)
        assert (intent.id, intent.request.type) == (id, request["type"])


def say(**fields: Any) -> dict[str, Any]:
    return {"type": "say", "npc": "greta", "speaker": {"id": "p"}, "text": "Hi", **fields}


def delta(re: int, text: str, npc: str = "greta") -> ReplyDelta:
    return ReplyDelta(re=re, npc=npc, text=text)


def stats(re: int | None = None, sessions: int = 1) -> Stats:
    npcs = NpcCounts(known=0, active=0, awake=0, speaking=0)
    engine = EngineCounters(
        running=0, waiting=0, steps=0, prompt_tokens=0, cached_tokens=0, generated_tokens=0, parked=0
    )
    return Stats(re=re, sessions=sessions, npcs=npcs, engine=engine, tiers={})


def changed(npc: str, what: Change = "updated", mood: str = "calm") -> NpcChanged:
    return NpcChanged(npc=npc, what=what, persona="greta", name="Greta", active=True, mood=mood)


def log(text: str = "Something is wrong.") -> LogLine:
    return LogLine(level="warning", logger="bridge", text=text, at=0.0)


# Greeting


def test_hello_is_answered_with_all_that_a_client_must_know() -> None:
    talk = Talk(greeted=False, server="npc-engine 1", model="tiny")
    assert talk.send(**HELLO) == []
    welcome = talk.expect("welcome", re=0, seq=1, protocol=1, server="npc-engine 1", model="tiny")
    assert welcome["limits"] == LIMITS.model_dump()
    assert {"say", "event", "cancel"} <= set(welcome["capabilities"])
    assert len(welcome["session"]) == 32
    assert talk.session.state is State.READY


def test_sessions_have_different_names() -> None:
    assert Talk().session.id != Talk().session.id


def test_nothing_comes_before_hello() -> None:
    talk = Talk(greeted=False)
    assert talk.send(type="npc.list", id=1) == []
    assert "'hello'" in talk.expect_error("bad_message", re=1, path="type", seq=None)
    talk.send(**HELLO)
    talk.expect("welcome")


def test_hello_comes_once() -> None:
    talk = Talk()
    talk.send(**HELLO)
    talk.expect_error("bad_message", re=0)
    talk.expect_alive()


def test_another_version_is_told_the_right_one_and_may_try_again() -> None:
    talk = Talk(greeted=False)
    talk.send(**{**HELLO, "protocol": 2})
    assert "version 1, not 2" in talk.expect_error("unsupported_version", re=0, path="protocol")
    talk.send(**HELLO)
    talk.expect("welcome")


@pytest.mark.parametrize("token", [None, "", "secre", "secret ", "Secret", "s\u00e9cret"])
def test_a_wrong_token_ends_the_session(token: str | None) -> None:
    talk = Talk(greeted=False, token="secret")
    assert talk.send(**HELLO, token=token) == [HangUp(1008, "unauthorized")]
    error, bye = talk.received()
    assert (error["code"], error["path"], bye["type"]) == ("unauthorized", "token", "bye")
    assert "secret" not in error["message"]
    assert talk.send(**HELLO, token="secret") == []
    assert talk.received() == []


def test_the_right_token_opens() -> None:
    talk = Talk(greeted=False, token="s\u00e9cret")
    talk.send(**HELLO, token="s\u00e9cret")
    talk.expect("welcome")


def test_a_token_that_nobody_asked_for_is_ignored() -> None:
    talk = Talk(greeted=False)
    talk.send(**HELLO, token="anything")
    talk.expect("welcome")


def test_without_a_subprotocol_the_first_message_decides() -> None:
    talk = Talk(codec=None, greeted=False)
    talk.codec = JSON
    talk.send(**HELLO)
    talk.expect("welcome")
    talk.send_frame(MSGPACK.encode({"type": "ping"}))
    talk.expect_error("bad_message")


# Requests


def test_requests_of_the_world_become_intents_and_end_with_finish() -> None:
    talk = Talk()
    assert talk.send(type="npc.inspect", id="a", npc="greta") == [Start(NpcInspect(id="a", npc="greta"), "a")]
    assert talk.session.open_requests == ("a",)
    talk.post(Ok(re="a"))
    talk.session.finish("a")
    assert talk.session.open_requests == ()
    talk.expect("ok", re="a")


def test_numbers_count_every_message_of_the_session() -> None:
    talk = Talk()
    for seq in (2, 3, 4):
        talk.send(type="ping", id=seq)
        talk.expect("pong", re=seq, seq=seq)


def test_a_ping_needs_no_id() -> None:
    talk = Talk()
    talk.send(type="ping")
    assert "re" not in talk.expect("pong")


def test_an_id_is_used_by_one_open_request_at_a_time() -> None:
    talk = Talk()
    talk.start(1)
    assert talk.send(type="npc.list", id=1) == []
    # Answered without `re`: the first request's answers go on.
    assert "still runs" in talk.expect_error("bad_message", path="id", re=None)
    talk.session.finish(1)
    talk.start(1)


def test_a_line_that_was_accepted_is_not_said_twice() -> None:
    talk = Talk()
    talk.start(1, **say())
    talk.session.finish(1)
    assert talk.send(id=1, **say()) == []
    talk.expect("ok", re=1)


def test_a_line_that_is_sent_again_while_it_is_answered_gets_that_answer_and_no_other() -> None:
    talk = Talk()
    talk.start(1, **say())
    assert talk.send(id=1, **say()) == []
    assert talk.received() == []
    talk.post(ReplyDone(re=1, npc="greta", text="Aye.", finish="stop"))
    talk.session.finish(1)
    talk.expect("reply.done", re=1)


def test_an_id_of_an_earlier_line_is_no_id_for_another() -> None:
    talk = Talk()
    talk.start(1, **say())
    talk.session.finish(1)
    for other in (say(text="Something else"), say(npc="tom"), EVENT):
        assert talk.send(id=1, **other) == []
        assert "needs a new id" in talk.expect_error("bad_message", re=1, path="id")


EVENT = {"type": "event", "hearers": ["greta"], "text": "Thunder."}


@pytest.mark.parametrize("request_", [say(), EVENT])
def test_what_was_refused_may_be_sent_again_under_its_id(request_: dict[str, Any]) -> None:
    talk = Talk()
    for code in ("unknown_npc", "limit_size", "overloaded"):
        talk.start(1, **request_)
        talk.post(Error(re=1, code=code, message="No."))
        talk.session.finish(1, succeeded=False)
        talk.expect_error(code, re=1)
    talk.start(1, **request_)
    talk.post(Error(re=1, code="internal", message="It was heard, and then something broke."))
    talk.session.finish(1, succeeded=False)
    talk.expect_error("internal", re=1)
    assert talk.send(id=1, **request_) == []
    talk.expect("ok", re=1)


def test_a_line_whose_answer_began_is_not_sent_again_whatever_became_of_the_answer() -> None:
    talk = Talk()
    talk.start(1, **say())
    talk.post(ReplyStart(re=1, npc="greta"))
    talk.post(Error(re=1, code="overloaded", message="No."))
    talk.session.finish(1, succeeded=False)
    assert [answer["type"] for answer in talk.received()] == ["reply.start", "error"]
    assert talk.send(id=1, **say()) == []
    talk.expect("ok", re=1)


def test_a_refused_question_does_not_free_the_id_of_a_line() -> None:
    talk = Talk()
    talk.start(1, **say())
    talk.session.finish(1)
    talk.start(1)
    talk.post(Error(re=1, code="unknown_npc", message="No."))
    talk.session.finish(1, succeeded=False)
    talk.expect_error("unknown_npc", re=1)
    assert talk.send(id=1, **say()) == []
    talk.expect("ok", re=1)


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "decide", "npc": "greta", "question": "Will you come?", "schema": {}, "remember": True},
        {"type": "action.result", "call": "c1", "ok": True},
    ],
    ids=lambda request: request["type"],
)
def test_what_may_be_remembered_is_not_carried_out_again(request_: dict[str, Any]) -> None:
    talk = Talk()
    talk.start(1, **request_)
    talk.session.finish(1)
    assert talk.send(id=1, **request_) == []
    talk.expect("ok", re=1)


def test_remembered_lines_are_bounded() -> None:
    talk = Talk()
    talk.session.REMEMBERED_LINES = 2
    for id in (1, 2, 3):
        talk.start(id, **say())
        talk.session.finish(id)
    assert len(talk.session._told) == 2


def test_cancel_stops_what_runs() -> None:
    talk = Talk()
    talk.start(1, **say())
    assert talk.send(type="cancel", target=1, id=2) == [Stop(1)]
    talk.expect("ok", re=2)


def test_cancelling_what_has_ended_is_no_error() -> None:
    talk = Talk()
    assert talk.send(type="cancel", target=99, id=2) == []
    talk.expect("ok", re=2)
    assert talk.send(type="cancel", target=99) == []
    assert talk.received() == []


def test_answers_to_a_request_that_has_ended_are_dropped() -> None:
    talk = Talk()
    talk.start(1)
    talk.session.finish(1)
    talk.post(Ok(re=1))
    assert talk.received() == []


def test_subscribing_is_answered_at_once_and_the_last_one_stands() -> None:
    talk = Talk()
    assert talk.send(type="subscribe", id=1, topics=["stats", "stats"]) == [Watch(frozenset({"stats"}))]
    talk.expect("ok", re=1)
    assert talk.send(type="subscribe", id=2, topics=[]) == [Watch(frozenset())]
    talk.expect("ok", re=2)


def test_a_topic_that_there_is_not_changes_nothing() -> None:
    talk = Talk()
    assert talk.send(type="subscribe", id=1, topics=["npc", "scene"]) == []
    assert "'scene'" in talk.expect_error("bad_message", re=1, path="topics[1]")
    assert talk.send(type="subscribe", id=2, topics=["npc", "log"]) == [Watch(frozenset({"npc", "log"}))]


def test_subscribing_under_the_id_of_an_open_request_does_not_seem_to_end_it() -> None:
    talk = Talk()
    talk.start(1)
    assert talk.send(type="subscribe", id=1, topics=["stats"]) == []
    talk.expect_error("bad_message", path="id", re=None)


@pytest.mark.parametrize(
    ("request_", "waits"),
    [
        ({"type": "hint", "npcs": ["tom", "greta"], "eta_ms": 0}, True),
        ({"type": "hint", "npcs": ["tom"], "eta_ms": 0}, False),
        ({"type": "budget", "ram_bytes": 0}, False),
        ({"type": "stats"}, False),
    ],
)
def test_only_what_is_about_an_npc_waits_until_it_has_come(request_: dict[str, Any], waits: bool) -> None:
    talk = Talk()
    talk.start("coming", type="npc.spawn", npc="greta", persona="greta")
    [intent] = talk.send(id=2, **request_)
    assert isinstance(intent, Start)
    assert intent.after == (("coming",) if waits else ())


# Limits


def test_too_many_open_requests_are_refused_until_one_ends() -> None:
    talk = Talk()
    for id in (1, 2, 3):
        talk.start(id)
    assert talk.send(type="npc.list", id=4) == []
    talk.expect_error("limit_requests", re=4)
    talk.expect_alive()
    talk.session.finish(2)
    talk.start(4)


def test_too_many_npcs_are_refused_until_one_is_despawned() -> None:
    talk = Talk()

    def spawn(npc: str) -> dict[str, Any]:
        return {"type": "npc.spawn", "npc": npc, "persona": "greta"}

    for npc in ("a", "b", "a"):
        talk.start(npc + "!", **spawn(npc))
        talk.session.finish(npc + "!")
    talk.send(id="c", **spawn("c"))
    talk.expect_error("limit_requests", re="c", path="npc")
    talk.start("d", type="npc.despawn", npc="a")
    talk.session.finish("d")
    talk.start("e", **spawn("c"))
    talk.session.finish("e", succeeded=False)
    talk.start("f", **spawn("d"))


def test_a_failed_spawn_of_an_npc_that_was_there_leaves_it_there() -> None:
    talk = Talk()
    for id, npc, succeeded in ((1, "a", True), (2, "b", True), (3, "a", False)):
        talk.start(id, type="npc.spawn", npc=npc, persona="greta")
        talk.session.finish(id, succeeded=succeeded)
    talk.send(type="npc.spawn", id=4, npc="c", persona="greta")
    talk.expect_error("limit_requests", re=4, path="npc")


def test_npcs_that_are_being_spawned_count() -> None:
    talk = Talk()
    talk.start(1, type="npc.spawn", npc="a", persona="greta")
    talk.start(2, type="npc.spawn", npc="b", persona="greta")
    talk.send(type="npc.spawn", id=3, npc="c", persona="greta")
    talk.expect_error("limit_requests", re=3, path="npc")


def test_too_many_messages_per_second_are_refused_and_told_when_to_come_back() -> None:
    talk = Talk()
    for _ in range(LIMITS.message_burst - 1):
        talk.send(type="ping")
        talk.received()
    talk.send(type="ping", id=5)
    error = talk.expect("error", code="limit_rate", re=5)
    assert error["retry_after_ms"] == 101
    talk.now += 0.11
    talk.expect_alive()


def test_a_message_that_is_too_large_is_answered_by_its_id() -> None:
    talk = Talk()
    assert talk.send(id=9, **say(text="x" * 3000)) == []
    talk.expect_error("limit_size", re=9)
    talk.expect_alive()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x91" * 1000,
        b"\x81\xa4type",
        b"\x81\xa4type\xa3say\x00",
        b"\xdf\xff\xff\xff\xff",
        MSGPACK.encode({"type": ["say"]}),
        MSGPACK.encode({"type": "say", "id": {}}),
        MSGPACK.encode({"id": 1}),
        MSGPACK.encode({"type": "teleport", "id": 1}),
        "text",
    ],
)
def test_a_bad_frame_is_answered_and_the_next_good_one_works(frame: bytes | str) -> None:
    talk = Talk()
    assert talk.send_frame(frame) == []
    assert talk.expect("error")["code"] in ("bad_message", "unknown_type", "limit_size")
    talk.expect_alive()


# A client that reads slowly


def test_a_client_that_keeps_up_gets_every_piece() -> None:
    talk = Talk()
    talk.start(1, **say())
    for text in ("Good ", "morning"):
        talk.post(delta(1, text))
        talk.expect("reply.delta", text=text, npc="greta")


def test_pieces_that_wait_are_merged_and_numbers_have_no_gaps() -> None:
    talk = Talk()
    talk.start(1, **say())
    talk.start(2, **say(npc="tom"))
    for message in (
        delta(1, "a"),
        delta(2, "x", "tom"),
        delta(1, "b"),
        delta(1, "c"),
        ReplySentence(re=1, npc="greta", text="abc"),
        delta(2, "y", "tom"),
        delta(1, "d"),
        delta(1, "e"),
        ReplyDone(re=1, npc="greta", text="abcde", finish="stop"),
    ):
        assert talk.post(message) is None
    received = talk.received()
    assert [(message["type"], message["re"], message["text"]) for message in received] == [
        ("reply.delta", 1, "abc"),
        ("reply.delta", 2, "xy"),
        ("reply.sentence", 1, "abc"),
        ("reply.delta", 1, "de"),
        ("reply.done", 1, "abcde"),
    ]
    assert [message["seq"] for message in received] == [2, 3, 4, 5, 6]


def test_stats_that_were_subscribed_to_wait_one_at_a_time_and_numbers_have_no_gaps() -> None:
    talk = Talk()
    talk.start(1, type="stats")
    for sessions in (1, 2, 3):
        talk.post(stats(sessions=sessions))
    talk.post(stats(re=1, sessions=4))
    first, asked = talk.received()
    assert (first["sessions"], first["seq"], "re" in first) == (1, 2, False)
    assert (asked["sessions"], asked["seq"], asked["re"]) == (4, 3, 1)
    talk.post(stats(sessions=5))
    talk.expect("stats", sessions=5, seq=4)


def test_stats_never_end_a_session_that_nobody_reads() -> None:
    talk = Talk()
    for _ in range(10 * LIMITS.queue_messages):
        assert talk.post(stats()) is None
    talk.expect("stats")


def test_who_is_behind_gets_no_stats_until_it_has_caught_up() -> None:
    talk = Talk()
    talk.start(1, **say())
    for number in range(LIMITS.queue_messages // 4 + 1):
        talk.post(ReplySentence(re=1, npc="greta", text=str(number)))
    talk.post(stats())
    assert {message["type"] for message in talk.received()} == {"reply.sentence"}
    talk.post(stats())
    talk.expect("stats")


def test_a_client_that_keeps_up_gets_every_change() -> None:
    talk = Talk()
    for what in ("spawned", "spoke", "forgotten"):
        talk.post(changed("greta", what))
        talk.expect("npc.changed", npc="greta", what=what)


def test_a_change_takes_the_place_of_the_one_that_waits_and_numbers_have_no_gaps() -> None:
    talk = Talk()
    talk.start(1, **say())
    for message in (
        changed("greta", "spawned"),
        delta(1, "a"),
        changed("tom", "spawned"),
        changed("greta", "updated", "a mood that takes more bytes than the one before"),
        delta(1, "b"),
        changed("greta", "forgotten", "angry"),
    ):
        assert talk.post(message) is None
    greta, piece, tom = talk.received()
    assert (greta["npc"], greta["what"], greta["mood"], greta["seq"]) == ("greta", "forgotten", "angry", 2)
    assert (piece["text"], piece["seq"]) == ("ab", 3)
    assert (tom["npc"], tom["what"], tom["seq"]) == ("tom", "spawned", 4)
    assert talk.session.kept_bytes == talk.session._replay.bytes
    talk.post(changed("greta", "spawned"))
    talk.expect("npc.changed", what="spawned", seq=5)


def test_changes_of_few_npcs_never_end_a_session_that_nobody_reads_and_those_of_many_do() -> None:
    talk = Talk()
    for number in range(10 * LIMITS.queue_messages):
        assert talk.post(changed(f"npc-{number % LIMITS.queue_messages}")) is None
    ending = talk.post(changed("one more"))
    assert isinstance(ending, Part)
    assert ending.code == 1013


def test_log_lines_are_all_told_until_the_client_is_behind_and_numbers_have_no_gaps() -> None:
    talk = Talk()
    for number in range(10 * LIMITS.queue_messages):
        assert talk.post(log(str(number))) is None
    lines = talk.received()
    assert [line["text"] for line in lines] == ["0", "1", "2"]
    talk.post(log("later"))
    assert talk.expect("log", text="later")["seq"] == lines[-1]["seq"] + 1


def test_what_was_subscribed_to_is_kept_for_one_who_is_away_within_bounds() -> None:
    talk = Talk()
    talk.session.detach(talk.now)
    for number in range(10 * LIMITS.queue_messages):
        talk.post(log(str(number)))
        talk.post(changed("greta", mood=str(number)))
    assert talk.session.state is State.DETACHED
    newcomer = Session(talk.session.rules, codec=MSGPACK, now=talk.now)
    [back] = newcomer.receive(MSGPACK.encode({**HELLO, "resume": {"session": talk.session.id, "last_seq": 1}}), 0.0)
    assert isinstance(back, Return)
    talk.session.attach(back.hello, newcomer)
    welcome, *missed = talk.received()
    assert welcome["resumed"]
    assert [message["seq"] for message in missed] == list(range(2, 2 + len(missed)))
    [newest] = [message for message in missed if message["type"] == "npc.changed"]
    assert newest["mood"] == str(10 * LIMITS.queue_messages - 1)


def test_too_much_that_waits_ends_the_connection_with_a_bye_and_the_session_waits() -> None:
    talk = Talk()
    talk.start(1, **say())
    ending = None
    for number in range(LIMITS.queue_messages + 1):
        assert ending is None
        ending = talk.post(ReplySentence(re=1, npc="greta", text=str(number)))
    assert isinstance(ending, Part)
    assert (ending.code, ending.reason) == (1013, "reading too slowly")
    assert talk.codec.decode(ending.bye, Limits()) == {"type": "bye", "reason": "reading too slowly"}
    assert talk.session.state is State.DETACHED
    assert talk.session.open_requests == (1,)
    assert talk.send(type="ping") == []
    assert talk.received() == []


def test_too_many_bytes_that_wait_end_it_too() -> None:
    talk = Talk()
    talk.start(1, **say())
    ending = None
    count = 0
    while ending is None:
        ending = talk.post(delta(1, "x" * 1000))
        count += 1
    assert count <= 9
    assert isinstance(ending, Part)


def test_errors_that_nobody_reads_end_it_too() -> None:
    talk = Talk()
    intents: list[Intent] = []
    while not intents:
        intents = talk.send(type="nonsense")
    [ending] = intents
    assert isinstance(ending, Part)
    assert ending.code == 1013


@pytest.mark.parametrize("greeted", [False, True])
def test_who_has_nothing_to_come_back_to_is_hung_up_on(greeted: bool) -> None:
    talk = Talk(greeted=greeted)
    if greeted:
        talk.session.drain()
    intents: list[Intent] = []
    while not intents:
        intents = talk.send(type="nonsense")
    assert intents == [HangUp(1013, "reading too slowly")]
    talk.expect("bye")


def test_one_large_message_is_not_too_much() -> None:
    outbox = Outbox(max_messages=10, max_bytes=100)
    outbox.codec = JSON
    outbox.put(ReplySentence(npc="greta", text="x" * 1000))
    assert not outbox.full
    outbox.put(Ok())
    assert outbox.full
    assert outbox.take() is not None
    assert outbox.take() is not None
    assert (len(outbox), outbox.bytes) == (0, 0)


def test_merged_pieces_stay_below_what_clients_take() -> None:
    outbox = Outbox(max_messages=1000, max_bytes=10**7)
    outbox.codec = JSON
    for _ in range(200):
        outbox.put(delta(1, "x" * 1000))
    frames = list(iter(outbox.take, None))
    assert max(len(frame.frame) for frame in frames) < 40_000
    assert sum(len(JSON.decode(frame.frame, Limits(string_chars=10**6))["text"]) for frame in frames) == 200_000
    assert outbox.bytes == 0


# The end


def test_a_draining_session_starts_nothing_and_lets_end_what_runs() -> None:
    talk = Talk()
    talk.start(1, **say())
    talk.session.drain()
    assert talk.send(type="npc.list", id=2) == []
    error = talk.expect("error", code="overloaded", re=2)
    assert error["retry_after_ms"] > 0
    talk.expect_alive()
    talk.post(delta(1, "a"))
    talk.expect("reply.delta")
    assert talk.session.hang_up(1001, "closing") == HangUp(1001, "closing")
    talk.expect("bye", reason="closing")
    assert talk.session.state is State.CLOSED


def test_the_first_reason_to_hang_up_stands() -> None:
    talk = Talk()
    first = talk.session.hang_up(1001, "closing")
    assert talk.session.hang_up(1013, "again") is first
    talk.expect("bye")


def test_hanging_up_on_a_client_that_never_spoke_sends_nothing() -> None:
    talk = Talk(codec=None, greeted=False)
    talk.session.hang_up(1008, "no hello")
    assert talk.received() == []


def test_every_state_has_its_row_in_both_tables() -> None:
    assert set(TRANSITIONS) == set(TAKES) == set(State)
    for row in TRANSITIONS.values():
        assert {Step.DRAIN, Step.HANG_UP} <= set(row)
    assert all(Step.DETACH in row for state, row in TRANSITIONS.items() if state is not State.DETACHED)
    assert set(TRANSITIONS[State.CLOSED].values()) == {State.CLOSED}


def test_the_bucket_fills_again_to_its_burst_and_no_further() -> None:
    bucket = TokenBucket(rate=2, burst=3, now=10.0)
    assert [bucket.take(10.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take(10.5) == 0
    assert [bucket.take(1000.0) for _ in range(4)] == [0, 0, 0, 0.5]
