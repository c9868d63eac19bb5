"""Whatever arrives, decoding gives a message within the limits or the codec's own error."""

import json
import math
import struct
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.codec import CODECS, JSON, MSGPACK, Codec, CodecError, codec_for
from bridge.protocol import Limits

LIMITS = Limits(message_bytes=4096, string_chars=128, depth=4, items=16)
BOTH = pytest.mark.parametrize("codec", CODECS.values(), ids=["msgpack", "json"])

texts = st.text(max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
messages = st.dictionaries(texts, plain, max_size=6)


def refused(codec: Codec, frame: bytes | str, limits: Limits = LIMITS) -> CodecError:
    with pytest.raises(CodecError) as caught:
        codec.decode(frame, limits)
    return caught.value


def read_or_refused(codec: Codec, frame: bytes | str) -> bool:
    try:
        return isinstance(codec.decode(frame, LIMITS), dict)
    except CodecError as error:
        return error.code in ("bad_message", "limit_size") and bool(error.message)


def written(codec: Codec, value: Any) -> bytes | str:
    """A frame without the codec's own checks."""
    return msgpack.packb(value) if codec is MSGPACK else json.dumps(value)


@BOTH
@settings(max_examples=60, deadline=None)
@given(message=messages)
def test_what_was_written_is_read_again(codec: Codec, message: dict[str, Any]) -> None:
    roomy = Limits(message_bytes=2**20, depth=64)
    assert codec.decode(codec.encode(message), roomy) == message


@settings(max_examples=200, deadline=None)
@given(frame=st.binary(max_size=200) | st.binary(max_size=100).map(lambda rest: b"\x81\xa2id" + rest))
def test_arbitrary_bytes_raise_nothing_but_the_codecs_error(frame: bytes) -> None:
    MSGPACK.peek_id(frame)
    assert read_or_refused(MSGPACK, frame)


@settings(max_examples=200, deadline=None)
@given(frame=st.text(max_size=200) | st.text('{}[]":,\\u0d8aeE+-.19 idtrufalsn', max_size=60))
def test_arbitrary_text_raises_nothing_but_the_codecs_error(frame: str) -> None:
    JSON.peek_id(frame)
    assert read_or_refused(JSON, frame)


@BOTH
@settings(max_examples=60, deadline=None)
@given(message=messages, cut=st.integers(1, 50))
def test_a_truncated_message_is_refused(codec: Codec, message: dict[str, Any], cut: int) -> None:
    frame = codec.encode({"type": "say", **message})
    assert refused(codec, frame[:-cut] or frame[:1], Limits(depth=64)).code == "bad_message"


@BOTH
def test_a_message_above_the_size_is_refused_but_its_id_is_known(codec: Codec) -> None:
    error = refused(codec, written(codec, {"type": "say", "id": 7, "text": "x" * 5000}))
    assert (error.code, error.re) == ("limit_size", 7)
    assert "4096" in error.message


def test_size_counts_bytes_and_not_characters() -> None:
    assert refused(JSON, json.dumps({"a": "\u00e9" * 2100}, ensure_ascii=False)).code == "limit_size"


@BOTH
@pytest.mark.parametrize(
    ("message", "path"),
    [
        ({"text": "x" * 129}, "text"),
        ({"speaker": {"name": "x" * 129}}, "speaker.name"),
        ({"hearers": ["a", "x" * 129]}, "hearers[1]"),
        ({"a": [[[[1]]]]}, "a[0][0][0]"),
    ],
)
def test_what_is_too_much_is_named_by_its_path(codec: Codec, message: dict[str, Any], path: str) -> None:
    error = refused(codec, written(codec, {"id": "a", **message}))
    assert (error.code, error.path, error.re) == ("limit_size", path, "a")


@BOTH
@pytest.mark.parametrize("message", [{"hearers": ["a"] * 17}, {"a": {str(n): n for n in range(17)}}])
def test_containers_of_too_many_entries_are_refused(codec: Codec, message: dict[str, Any]) -> None:
    error = refused(codec, written(codec, {"id": "a", **message}))
    assert (error.code, error.re) == ("limit_size", "a")
    assert "entries" in error.message


@pytest.mark.parametrize(
    ("frame", "code", "says"),
    [
        (b"", "bad_message", "not msgpack"),
        (b"\xc1", "bad_message", "not msgpack"),
        (b"\x01", "bad_message", "not an integer"),
        (b"\x80\x80", "bad_message", "Bytes follow"),
        (b"\x91" * 4000, "limit_size", "too deep"),
        (b"\xdf\xff\xff\xff\xff", "limit_size", "too many"),
        (b"\xdd\xff\xff\xff\xff", "limit_size", "too many"),
        (b"\xdb\xff\xff\xff\xffab", "bad_message", "incomplete"),
        (b"\xc6\xff\xff\xff\xffab", "bad_message", "incomplete"),
        (b"\xc9\xff\xff\xff\xff\x01ab", "limit_size", "too many"),
        (b"\x81\x01\x02", "bad_message", "key"),
        (b"\x81\xc4\x01a\x02", "bad_message", "key"),
        (b"\x81\x90\x02", "bad_message", "key"),
        (b"\x81\xa1a\xa2\xff\xfe", "bad_message", "UTF-8"),
        (b"\x81\xa1a\xd6\xff\x00\x00\x00\x01", "bad_message", "extension"),
        (b"\x81\xa1a\xc7\x01\x05a", "bad_message", "extension"),
        (b"\x81\xa1a\xcb" + struct.pack(">d", math.nan), "bad_message", "finite"),
        (b"\x81\xa1a\xcb" + struct.pack(">d", math.inf), "bad_message", "finite"),
        ("{}", "bad_message", "binary"),
    ],
)
def test_hostile_msgpack_is_refused(frame: bytes | str, code: str, says: str) -> None:
    error = refused(MSGPACK, frame)
    assert error.code == code
    assert says in error.message


@pytest.mark.parametrize(
    ("frame", "code", "says"),
    [
        ("", "bad_message", "line 1, column 1"),
        ('{"a": 1} x', "bad_message", "Extra data"),
        ("[" * 4000, "limit_size", "too deep"),
        ('{"a":' * 600 + "1" + "}" * 600, "limit_size", "too deep"),
        ('{"a": NaN}', "bad_message", "NaN is no number"),
        ('{"a": -Infinity}', "bad_message", "no number"),
        ('{"a": 1e999}', "bad_message", "finite"),
        ('{"a": 99999999999999999999}', "bad_message", "64 bits"),
        ('{"a": ' + "9" * 4050 + "}", "bad_message", "64 bits"),
        ('{"a": "\\ud800"}', "bad_message", "surrogate"),
        ('{"\\ud800": 1}', "bad_message", "key"),
        ("[]", "bad_message", "an empty list"),
        ("[1]", "bad_message", "a list"),
        (b"\x80", "bad_message", "text"),
    ],
)
def test_hostile_json_is_refused(frame: bytes | str, code: str, says: str) -> None:
    error = refused(JSON, frame)
    assert error.code == code
    assert says in error.message


def test_digits_without_end_are_refused() -> None:
    assert refused(JSON, '{"a": ' + "9" * 100_000 + "}", Limits()).code == "bad_message"


def test_declared_lengths_allocate_nothing() -> None:
    # Nested lists that each declare many entries: five bytes would otherwise ask for megabytes, a thousand times over.
    frame = (b"\xdd" + struct.pack(">I", 1000)) * 50_000
    tracemalloc.start()
    try:
        refused(MSGPACK, frame, Limits())
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


@BOTH
@pytest.mark.parametrize("id", [7, "seven", -1])
def test_the_id_is_found_without_decoding(codec: Codec, id: int | str) -> None:
    frame = codec.encode({"type": "say", "id": id, "speaker": {"id": "player"}, "text": "x" * 100_000})
    assert codec.peek_id(frame) == id


@BOTH
@pytest.mark.parametrize(
    "message",
    [
        {"type": "say", "speaker": {"id": 5}},
        {"type": "say", "text": '{"id": 5, "x": 1}'},
        {"type": "say", "text": '","id":5,'},
        {"type": "say", "id": [5]},
        {"type": "say", "id": None},
        {"type": "say", "id": "x" * 1000},
    ],
)
def test_no_id_is_found_where_the_message_has_none(codec: Codec, message: dict[str, Any]) -> None:
    assert codec.peek_id(codec.encode(message)) is None


def test_an_id_that_is_no_text_is_not_found() -> None:
    assert JSON.peek_id('{"id": "\\ud800", "a": 1}') is None
    assert refused(JSON, '{"id": "\\ud800", "a": 1}').re is None


@BOTH
def test_what_can_not_travel_is_not_written(codec: Codec) -> None:
    for value in ({1, 2}, "\ud800", 10**30 if codec is MSGPACK else math.nan):
        with pytest.raises(CodecError):
            codec.encode({"a": value})


def test_the_first_message_shows_the_codec() -> None:
    assert codec_for("{}") is JSON
    assert codec_for(b"\x80") is MSGPACK
