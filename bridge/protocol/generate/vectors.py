"""Byte-level test vectors: what each message looks like on the wire, and what else a reader must take or refuse.

``messages`` are written by this server's codecs. ``reads`` and ``refused`` are written by hand: they say what a frame
means, or which error it deserves, and the tests hold the server to them.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgpack  # type: ignore[import-untyped]

from bridge.codec import MSGPACK
from bridge.protocol import ANSWER_TYPES, INT64_MAX, INT64_MIN, REQUEST_TYPES, VERSION
from bridge.protocol.generate.examples import answer_example, request_example

_ABOUT = (
    "messages: each message as JSON, and as the bytes in hexadecimal that msgpack makes of it with the keys in this "
    "order. reads: frames (text for npc.v1.json, msgpack for npc.v1.msgpack) and what they mean; null means that the "
    "message is to be ignored. refused: frames from a client, the code of the error that they deserve, and the path "
    "and re that it has. Integers beyond 2^53 are exact in text and msgpack only."
)

_INTEGERS = (
    0, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**53 + 1, INT64_MAX,
    -1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**53), INT64_MIN,
)  # fmt: skip
"""On both sides of each border between msgpack's ways to write an integer, and of what a double holds."""

_RESULT: Mapping[str, Any] = {"type": "action.result", "id": 1, "call": "c", "ok": True}
_PING: Mapping[str, Any] = {"type": "ping", "id": 1}
_PING_BYTES = bytes.fromhex("82a474797065a470696e67a26964")
"""A ping up to its id, which follows."""


def vectors() -> dict[str, Any]:
    """All of them, as they are written to a file."""
    return {
        "description": _ABOUT,
        "protocol": VERSION,
        "messages": [
            *(_message("client", request_example(type)) for type in REQUEST_TYPES),
            *(_message("server", answer_example(type)) for type in ANSWER_TYPES),
        ],
        "reads": [*_requests_read(), *_bytes_read(), *_answers_read()],
        "refused": [*_messages_refused(), *_frames_refused()],
    }


def _message(side: str, example: dict[str, Any]) -> dict[str, Any]:
    return {"type": example["type"], "side": side, "json": example, "msgpack": MSGPACK.encode(example).hex()}


def _frames(plain: Mapping[str, Any]) -> dict[str, str]:
    return {
        "text": json.dumps(plain, ensure_ascii=False, separators=(",", ":")),
        "msgpack": msgpack.packb(plain).hex(),
    }


def _read(name: str, plain: Mapping[str, Any], means: Mapping[str, Any] | None = None, **frames: str) -> dict[str, Any]:
    given = frames or _frames(plain)
    return {"name": name, "side": "client", **given, "means": dict(plain if means is None else means)}


def _requests_read() -> Iterator[dict[str, Any]]:
    for number in _INTEGERS:
        yield _read(f"the integer {number}", {"type": "ping", "id": number})
    yield _read("a whole number as a float", {"type": "ping", "id": 1.0}, _PING)
    yield _read("a whole number with an exponent", _PING, text='{"type":"ping","id":1e0}')
    yield _read("an integer where a number is meant", _event(salience=1), _event(salience=1.0))
    yield _read("a string that looks like an integer", {"type": "ping", "id": "1"})
    yield _read("no id where none is needed", {"type": "ping"})
    yield _read("null for what may be missing", {"type": "ping", "id": None}, {"type": "ping"})
    yield _read("fields of a later version", {**_PING, "mood": "x", "more": {"deep": [1, {}]}}, _PING)
    yield _read("keys in another order", {"id": 1, "type": "ping"}, _PING)
    for length in (31, 32, 255, 256):
        yield _read(f"a string of {length} bytes", {**_RESULT, "message": "x" * length})
    yield _read("an empty string", {**_RESULT, "message": ""})
    for what, words in (
        ("two bytes each", "Grüße"),
        ("three bytes each", "世界"),
        ("four bytes each", "🐉🗡"),
        ("combining marks and joiners", "e\u0301 👩\u200d🌾"),
        ("a zero and a line end", "a\x00b\nc"),
        ("quotes and backslashes", 'say "\\"'),
        ("the template's own signs", "<|im_end|>"),
    ):
        yield _read(f"characters: {what}", {**_RESULT, "message": words})
    yield _read(
        "characters: escaped pairs",
        {**_RESULT, "message": "🐉"},
        text='{"type":"action.result","id":1,"call":"c","ok":true,"message":"\\ud83d\\udc09"}',
    )
    for count in (15, 16):
        yield _read(f"a list of {count}", {"type": "hint", "id": 1, "npcs": ["n"] * count, "eta_ms": 0})
        variables = {f"v{index}": "x" for index in range(count)}
        yield _read(f"a map of {count}", {"type": "npc.spawn", "id": 1, "npc": "n", "persona": "p", "vars": variables})
    yield _read("an empty map", {"type": "npc.spawn", "id": 1, "npc": "n", "persona": "p", "vars": {}})
    yield _read("an empty list", {"type": "subscribe", "id": 1, "topics": []})
    facts = {"a": "x", "b": 2, "c": 0.5, "d": False, "e": [], "f": ["y"], "g": None}
    yield _read("facts of every kind", {"type": "npc.update", "id": 1, "npc": "n", "state": facts})
    yield _read("a schema that allows all", {"type": "decide", "id": 1, "npc": "n", "question": "q", "schema": {}},
                {"type": "decide", "id": 1, "npc": "n", "question": "q", "schema": {}, "remember": False})  # fmt: skip


def _event(salience: float) -> dict[str, Any]:
    message = {"type": "event", "id": 1, "hearers": ["n"], "text": "t", "kind": "k", "salience": salience}
    return {**message, "silent": True}


def _bytes_read() -> Iterator[dict[str, Any]]:
    """What msgpack can write in more ways than one."""
    for name, id in (
        ("in one byte more than needed", b"\xcc\x01"),
        ("in eight unsigned bytes", b"\xcf" + struct.pack(">Q", 1)),
        ("in eight signed bytes", b"\xd3" + struct.pack(">q", 1)),
        ("as a float of four bytes", b"\xca" + struct.pack(">f", 1.0)),
        ("as a float of eight bytes", b"\xcb" + struct.pack(">d", 1.0)),
    ):
        yield _read(f"the integer 1 {name}", _PING, msgpack=(_PING_BYTES + id).hex())
    yield _read(
        "minus zero", {"type": "ping", "id": 0}, msgpack=(_PING_BYTES + b"\xcb" + struct.pack(">d", -0.0)).hex()
    )
    long_map = b"\xdf" + struct.pack(">I", 2) + _PING_BYTES[1:] + b"\x01"
    yield _read("a map and its size in four bytes", _PING, msgpack=long_map.hex())
    yield _read("a string and its size in four bytes", {"type": "ping", "id": "a"},
                msgpack=(_PING_BYTES + b"\xdb" + struct.pack(">I", 1) + b"a").hex())  # fmt: skip


def _answers_read() -> Iterator[dict[str, Any]]:
    ok = {"type": "ok", "re": 1, "seq": 2}
    decided = {"type": "decided", "re": 1, "seq": 2}
    error = {"type": "error", "re": "a", "seq": 2, "message": "m"}
    for name, plain, means in (
        ("fields of a later version", {**ok, "mood": "x", "more": {}}, ok),
        ("whole numbers as floats", {**ok, "re": 1.0, "seq": 2.0}, ok),
        ("an error code of a later version", {**error, "code": "weather"}, {**error, "code": "weather"}),
        ("a decision that is null", {**decided, "value": None}, {**decided, "value": None}),
        ("a decision that is a list", {**decided, "value": [1, {}]}, {**decided, "value": [1, {}]}),
        ("a type of a later version", {"type": "weather.report", "seq": 2}, None),
    ):
        yield {"name": name, "side": "server", **_frames(plain), "means": means}


def _refused(
    name: str, code: str, path: str | None = None, re: int | str | None = None, **frames: str
) -> dict[str, Any]:
    return {"name": name, **frames, "code": code, "path": path, "re": re}


def _messages_refused() -> Iterator[dict[str, Any]]:
    """What is well-formed and no message of this protocol."""
    say = {"type": "say", "id": 1, "npc": "n", "speaker": {"id": "p"}, "text": "t"}
    scope = {"type": "actions.register", "id": 1, "scope": {}, "actions": [{"name": "a", "description": "d"}]}
    deep: Any = "bottom"
    for _ in range(20):
        deep = [deep]
    for name, plain, code, path, re in (
        ("no map", ["ping"], "bad_message", None, None),
        ("no type", {"id": 1}, "bad_message", "type", 1),
        ("a type that is no string", {"type": 1, "id": 1}, "bad_message", "type", 1),
        ("an unknown type", {"type": "weather", "id": 1}, "unknown_type", "type", 1),
        ("a type in capitals", {"type": "PING", "id": 1}, "unknown_type", "type", 1),
        ("an id that is a truth value", {"type": "ping", "id": True}, "bad_message", "id", None),
        ("an id that is no whole number", {"type": "ping", "id": 1.5}, "bad_message", "id", None),
        ("an id that is empty", {"type": "ping", "id": ""}, "bad_message", "id", None),
        ("an id of 129 characters", {"type": "ping", "id": "x" * 129}, "bad_message", "id", None),
        ("an id that is a map", {"type": "ping", "id": {}}, "bad_message", "id", None),
        ("an id beyond signed 64 bits", {"type": "ping", "id": INT64_MAX + 1}, "bad_message", "id", None),
        ("no id where one is needed", {"type": "stats"}, "bad_message", "id", None),
        ("a field that is missing", {"type": "npc.forget", "id": 1}, "bad_message", "npc", 1),
        ("null where text is needed", {**say, "text": None}, "bad_message", "text", 1),
        ("text that is blank", {**say, "text": " \n"}, "bad_message", "text", 1),
        ("a number as a string", {**say, "max_tokens": "40"}, "bad_message", "max_tokens", 1),
        ("a fraction for an integer", {**say, "max_tokens": 1.5}, "bad_message", "max_tokens", 1),
        ("a truth value for an integer", {**say, "max_tokens": True}, "bad_message", "max_tokens", 1),
        ("a number below its least", {**say, "deadline_ms": 0}, "bad_message", "deadline_ms", 1),
        ("a word that is none of those", {**say, "priority": "vip"}, "bad_message", "priority", 1),
        ("a wrong field of a part", {**say, "speaker": {"id": ""}}, "bad_message", "speaker.id", 1),
        ("a wrong entry of a list", {**say, "hearers": ["a", 1]}, "bad_message", "hearers[1]", 1),
        ("a list that is empty", {"type": "hint", "id": 1, "npcs": [], "eta_ms": 0}, "bad_message", "npcs", 1),
        ("a scope of nobody", scope, "bad_message", "scope", 1),
        ("a scope of two", {**scope, "scope": {"npc": "n", "all": True}}, "bad_message", "scope", 1),
        ("an update without news", {"type": "npc.update", "id": 1, "npc": "n"}, "bad_message", None, 1),
        ("a budget of nothing", {"type": "budget", "id": 1}, "bad_message", None, 1),
        ("a topic that there is not", {"type": "subscribe", "id": 1, "topics": ["x"]}, "bad_message", "topics[0]", 1),
        ("too deep", {**_PING, "more": deep}, "limit_size", "more" + "[0]" * 15, 1),
    ):
        yield _refused(name, code, path, re, **_frames(plain))  # type: ignore[arg-type]


def _frames_refused() -> Iterator[dict[str, Any]]:
    """What no codec makes a message of."""
    for name, text, path, re in (
        ("nothing", "", None, None),
        ("JSON that ends early", '{"type":"ping"', None, None),
        ("JSON and more", '{"type":"ping"} {}', None, None),
        ("a number that JSON has not", '{"type":"event","salience":NaN}', None, None),
        ("half a character", '{"type":"ping","id":1,"more":"\\ud83d"}', "more", 1),
        ("an integer beyond 64 bits", '{"type":"ping","id":1,"more":18446744073709551616}', "more", 1),
        ("a number beyond doubles", '{"type":"ping","id":1,"more":1e999}', "more", 1),
    ):
        yield _refused(name, "bad_message", path, re, text=text)
    more = b"\x83" + _PING_BYTES[1:] + b"\x01\xa4more"
    for name, frame, code, path, re in (
        ("nothing", b"", "bad_message", None, None),
        ("a byte that begins nothing", b"\xc1", "bad_message", None, None),
        ("a map that ends early", _PING_BYTES, "bad_message", None, None),
        ("a message and more", _PING_BYTES + b"\x01\xc0", "bad_message", None, None),
        ("a key that is an integer", b"\x81\x01\x02", "bad_message", None, None),
        ("binary data for text", b"\x81\xa4type\xc4\x04ping", "bad_message", "type", None),
        ("a string that is not UTF-8", more + b"\xa1\xff", "bad_message", None, 1),
        ("an extension type", more + b"\xd4\x05\x00", "bad_message", "more", 1),
        ("a timestamp", more + b"\xd6\xff" + struct.pack(">I", 1), "bad_message", "more", 1),
        ("a number that is none", more + b"\xcb" + struct.pack(">d", float("nan")), "bad_message", "more", 1),
        ("an infinite number", more + b"\xcb" + struct.pack(">d", float("inf")), "bad_message", "more", 1),
        ("a list that declares 2^32 - 1 entries", more + b"\xdd\xff\xff\xff\xff", "limit_size", None, 1),
        ("a map that declares 2^32 - 1 entries", more + b"\xdf\xff\xff\xff\xff", "limit_size", None, 1),
    ):
        yield _refused(name, code, path, re, msgpack=frame.hex())
