"""Bytes on the wire to plain values and back, in msgpack and in JSON.

What comes from outside is hostile until checked. The rules:

- Whatever the frame, decoding returns a map or raises CodecError, in time and memory proportional to the frame.
- The frame's size is checked first, without looking inside. Containers that declare more entries than they may have
  are refused before they are allocated: 1000 nested lists of five bytes each could otherwise ask for gigabytes.
- Then one walk over the values checks what the parser lets pass, and names the path to the culprit.
- Values are maps with string keys, lists, strings, integers of 64 bits, finite floats, truth values and nothing.
  Binary data (msgpack only) passes here and is refused by any field that means text; extension types are refused.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn, Protocol

import msgpack  # type: ignore[import-untyped]

from bridge.protocol import INT64_MIN, Limits, read_id
from bridge.protocol.base import is_unicode
from bridge.protocol.explain import describe, join_path

Frame = bytes | str
"""What a WebSocket message holds: bytes if it is binary, a string if it is text."""

UINT64_MAX = 2**64 - 1

OWN_LIMITS = Limits(message_bytes=64 * 2**20, string_chars=2**24, depth=64, items=2**20)
"""What a server may send: far above any limit of what it takes, since it is the side that is trusted."""


class CodecError(Exception):
    """A frame is no message. ``code`` is a protocol error code; ``re`` the request's id, where it could be read."""

    def __init__(self, code: str, message: str, path: str = "", re: int | str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
        self.re = re


class Codec(Protocol):
    """One way to write messages. Stateless; one instance serves all connections."""

    subprotocol: ClassVar[str]

    def encode(self, plain: Mapping[str, Any]) -> Frame:
        """Raises CodecError for values that can't travel."""
        ...

    def decode(self, frame: Frame, limits: Limits) -> dict[str, Any]:
        """Raises CodecError, and nothing else, for whatever is not a message within ``limits``."""
        ...

    def peek_id(self, frame: Frame) -> int | str | None:
        """Find the ``id`` of a message that is too much to decode, without building its values. Never raises."""
        ...


class MsgpackCodec:
    """One msgpack map per binary message."""

    subprotocol: ClassVar[str] = "npc.v1.msgpack"

    def encode(self, plain: Mapping[str, Any]) -> bytes:
        """Raises CodecError for values that can't travel."""
        try:
            return msgpack.packb(plain)  # type: ignore[no-any-return]
        except (ValueError, TypeError, OverflowError) as error:
            raise CodecError("internal", f"This message can't be written as msgpack: {error}.") from error

    def decode(self, frame: Frame, limits: Limits) -> dict[str, Any]:
        """Raises CodecError, and nothing else, for whatever is not a message within ``limits``."""
        if isinstance(frame, str):
            raise CodecError("bad_message", f"Text on {self.subprotocol}: send msgpack in binary messages.")
        if len(frame) > limits.message_bytes:
            raise _too_large(len(frame), limits, self.peek_id(frame))
        try:
            # Timestamps and other extension types come as objects that the walk refuses.
            value = msgpack.unpackb(
                frame,
                strict_map_key=True,  # chosen integer keys could collide and make a map slow
                max_array_len=limits.items,
                max_map_len=limits.items,
            )
        except msgpack.exceptions.StackError as error:
            raise _too_deep(limits) from error
        except msgpack.exceptions.ExtraData as error:
            raise CodecError("bad_message", "Bytes follow the message: send one map per binary message.") from error
        except (ValueError, TypeError, OverflowError, RecursionError, msgpack.exceptions.UnpackException) as error:
            raise _not_msgpack(error, self.peek_id(frame)) from error
        return _checked(value, limits)

    def peek_id(self, frame: Frame) -> int | str | None:
        """Find the ``id`` of a message that is too much to decode, without building its values. Never raises."""
        if isinstance(frame, str):
            return None
        unpacker = msgpack.Unpacker(max_buffer_size=max(len(frame), 1), max_array_len=0, max_map_len=2**16)
        try:
            unpacker.feed(frame)
            for _ in range(unpacker.read_map_header()):
                if unpacker.unpack() == "id":
                    return read_id({"id": unpacker.unpack()})
                unpacker.skip()
        except (ValueError, TypeError, OverflowError, msgpack.exceptions.UnpackException):
            pass
        return None


class JsonCodec:
    """One JSON object per text message, for browsers, debugging and engines without msgpack."""

    subprotocol: ClassVar[str] = "npc.v1.json"

    # A quote inside a string is escaped, so this can only match a key. The head ends where something nests, so the
    # key is the message's own. An id further down is not found; SDKs write `type` and `id` first.
    _ID = re.compile(r'[{,]\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+(?:\.0+)?)\s*[,}]')
    _HEAD = 1024

    def encode(self, plain: Mapping[str, Any]) -> str:
        """Raises CodecError for values that can't travel."""
        try:
            text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            text.encode()
        except (ValueError, TypeError, RecursionError) as error:
            raise CodecError("internal", f"This message can't be written as JSON: {error}.") from error
        return text

    def decode(self, frame: Frame, limits: Limits) -> dict[str, Any]:
        """Raises CodecError, and nothing else, for whatever is not a message within ``limits``."""
        if isinstance(frame, bytes):
            raise CodecError("bad_message", f"Binary data on {self.subprotocol}: send JSON in text messages.")
        size = len(frame)
        if size * 4 > limits.message_bytes:  # below that it fits, however many bytes each character takes
            size = len(frame.encode(errors="surrogatepass"))
        if size > limits.message_bytes:
            raise _too_large(size, limits, self.peek_id(frame))
        try:
            value = json.loads(frame, parse_constant=_refuse_constant)
        except RecursionError as error:
            raise _too_deep(limits) from error
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            raise CodecError("bad_message", f"This is not JSON: {error.msg} at {place}.") from error
        except ValueError as error:  # integers of thousands of digits
            raise CodecError("bad_message", f"This is not JSON that can be read: {error}.") from error
        return _checked(value, limits)

    def peek_id(self, frame: Frame) -> int | str | None:
        """Find the ``id`` of a message that is too much to decode, without building its values. Never raises."""
        if isinstance(frame, bytes):
            return None
        head = frame[: self._HEAD].lstrip()
        nested = min((at for at in (head.find("{", 1), head.find("[", 1)) if at > 0), default=len(head))
        found = self._ID.search(head[:nested])
        try:
            return read_id({"id": json.loads(found[1])}) if found else None
        except ValueError:
            return None


MSGPACK = MsgpackCodec()
JSON = JsonCodec()
CODECS: Mapping[str, Codec] = {codec.subprotocol: codec for codec in (MSGPACK, JSON)}
"""Every codec by its subprotocol, the preferred one first."""


def codec_for(frame: Frame) -> Codec:
    """The codec of a client that named no subprotocol, by the kind of its first message."""
    return JSON if isinstance(frame, str) else MSGPACK


def recoded(frame: Frame, old: Codec, new: Codec) -> Frame:
    """A server's own message, written by ``old``, as ``new`` writes it."""
    return new.encode(old.decode(frame, OWN_LIMITS))


def _checked(value: Any, limits: Limits) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CodecError("bad_message", f"A message is a map with a `type`, not {describe(value)}.")
    try:
        _walk(value, limits)
    except CodecError as error:
        error.re = read_id(value)
        raise
    return value


def _walk(root: dict[str, Any], limits: Limits) -> None:
    """Check depth, lengths, keys and kinds of all values; raises CodecError with the path of the first bad one."""
    # Recursion ends at limits.depth, which is far from what Python allows.
    path: list[str | int] = []

    def fail(code: str, problem: str) -> NoReturn:
        where = join_path(path)
        raise CodecError(code, f"`{where}`: {problem}" if where else problem, where)

    def visit(value: Any) -> None:
        if isinstance(value, str):
            if len(value) > limits.string_chars:
                fail("limit_size", f"{len(value)} characters; at most {limits.string_chars} may be in one string.")
            if not is_unicode(value):
                fail("bad_message", "half of a surrogate pair, which is no character; send whole characters.")
        elif value is None or isinstance(value, bool):
            pass
        elif isinstance(value, int):
            if not INT64_MIN <= value <= UINT64_MAX:
                fail("bad_message", "an integer of more than 64 bits; send it as a string.")
        elif isinstance(value, float):
            if not math.isfinite(value):
                fail("bad_message", "not a finite number; leave the field out instead.")
        elif isinstance(value, dict | list):
            if len(path) >= limits.depth:
                fail("limit_size", f"nested too deep; at most {limits.depth} levels may be in a message.")
            if len(value) > limits.items:
                fail("limit_size", f"{len(value)} entries; at most {limits.items} may be in one map or list.")
            descend(value)
        elif not isinstance(value, bytes):
            fail("bad_message", "a msgpack extension type; send times as seconds and data as strings.")

    def descend(container: dict[Any, Any] | list[Any]) -> None:
        if isinstance(container, dict):
            for key, value in container.items():
                if not isinstance(key, str) or len(key) > limits.string_chars or not is_unicode(key):
                    fail("bad_message", "a key that is not a string; keys are field names.")
                path.append(key)
                visit(value)
                path.pop()
        else:
            for index, value in enumerate(container):
                path.append(index)
                visit(value)
                path.pop()

    visit(root)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number; leave the field out instead")


def _too_large(size: int, limits: Limits, re: int | str | None) -> CodecError:
    problem = f"The message has {size} bytes; at most {limits.message_bytes} may be sent at once."
    return CodecError("limit_size", problem, re=re)


def _too_deep(limits: Limits) -> CodecError:
    return CodecError("limit_size", f"Nested too deep; at most {limits.depth} levels may be in a message.")


def _not_msgpack(error: Exception, re: int | str | None) -> CodecError:
    reason = str(error)
    if "exceeds max_" in reason:
        return CodecError("limit_size", f"A list or map has too many entries: {reason}.", re=re)
    if isinstance(error, UnicodeDecodeError):
        return CodecError("bad_message", "A string is not UTF-8; send data that is not text another way.", re=re)
    if "map key" in reason:
        return CodecError("bad_message", "A map has a key that is not a string; keys are field names.", re=re)
    return CodecError("bad_message", f"This is not msgpack: {reason or 'a byte that never starts a value'}.", re=re)
