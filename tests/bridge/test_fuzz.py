"""Frames of every sort from a hostile client: each is answered or taken, nothing crashes, and nobody else notices."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.codec import JSON, MSGPACK, OWN_LIMITS, Codec, Frame
from bridge.intents import HangUp, Return, Start
from bridge.protocol import REQUEST_TYPES, Limits, read_answer
from bridge.server import Server
from bridge.session import Rules, Session
from bridge.states import State
from tests.bridge.raw_client import GREETING, RawClient
from tests.bridge.scripted_world import ScriptedWorld

LIMITS = Limits(message_bytes=4096, message_burst=10**6)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(sorted({name for model in REQUEST_TYPES.values() for name in model.model_fields} | {"schema"}))
messages = st.builds(
    lambda type, more: {"type": type, **more},
    st.sampled_from(sorted(REQUEST_TYPES)) | scalars,
    st.dictionaries(fields, values, max_size=6),
)
good = st.sampled_from(
    [
        {"type": "ping", "id": 1},
        {"type": "say", "id": 2, "npc": "greta", "speaker": {"id": "p"}, "text": "Hello"},
        {"type": "cancel", "target": 2},
        {"type": "npc.update", "id": 3, "npc": "greta", "state": {"place": "here"}},
        {"type": "hello", "protocol": 1, "client": {"name": "x"}, "resume": {"session": "0" * 32, "last_seq": 3}},
    ]
)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Noise, messages of the wrong make, right ones, and right ones that were cut or changed in one place."""
    plain = draw(messages | good)
    if draw(st.booleans()):
        text = json.dumps(plain, allow_nan=True)
        return draw(st.sampled_from([text, text[: len(text) // 2], text * 2]) | st.text())
    data = bytearray(MSGPACK.encode(plain))
    match draw(st.sampled_from(["whole", "cut", "changed", "noise"])):
        case "cut":
            del data[draw(st.integers(0, len(data))) :]
        case "changed":
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        case "noise":
            return draw(st.binary(max_size=200))
    return bytes(data)


@settings(max_examples=150, deadline=None)
@given(st.lists(frames(), min_size=1, max_size=30), st.sampled_from([None, MSGPACK, JSON]), st.booleans())
def test_a_session_survives_whatever_arrives(sent: list[Frame], codec: Codec | None, greeted: bool) -> None:
    session = Session(Rules(limits=LIMITS), codec=codec, now=0.0)
    if greeted:
        session.receive((codec or MSGPACK).encode(GREETING), 0.0)
        assert session.next_frame(0.0) is not None
    for frame in sent:
        answered_before = session._outbox.newest
        for intent in session.receive(frame, 0.0):
            assert not isinstance(intent, HangUp)
            if isinstance(intent, Start):
                session.finish(intent.id)
            if isinstance(intent, Return):
                session.begin(intent.hello)
        assert session._outbox.newest - answered_before <= 1
        while (answer := session.next_frame(0.0)) is not None:
            assert session._codec is not None
            assert read_answer(session._codec.decode(answer, OWN_LIMITS)) is not None
    assert session.state in (State.GREETING, State.READY)
    assert session.open_requests == ()
    assert session._codec is not None
    session.receive(session._codec.encode({"type": "ping"} if session.state is State.READY else GREETING), 0.0)
    final = session.next_frame(0.0)
    assert final is not None
    assert session._codec.decode(final, OWN_LIMITS)["type"] in ("pong", "welcome")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(frames(), min_size=20, max_size=40))
async def test_a_server_survives_it_and_others_do_not_notice(sent: list[Frame]) -> None:
    limits = LIMITS.model_copy(update={"messages_per_second": 10**6})
    async with (
        Server(ScriptedWorld(), port=0, grace=0.1, limits=limits) as server,
        RawClient(server.url) as other,
        RawClient(server.url) as hostile,
    ):
        await other.greet()
        await hostile.greet()
        for frame in sent:
            await hostile.socket.send(frame)
        answer: dict[str, Any] = await other.ask(type="ping", id="other")
        assert (answer["type"], answer["re"], answer["seq"]) == ("pong", "other", 2)
        await hostile.send(type="ping", id="alive")
        while (last := await hostile.receive()).get("re") != "alive":
            assert last["type"] != "bye"
    assert len(server._hosts) == 0
