"""A process that sends frames that are nearly right: cut short, nested deep, huge, of wrong types, not UTF-8."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from random import Random
from typing import Any

import msgpack  # type: ignore[import-untyped]
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from npc_engine.cli.bench.bridge.child import tell, wait_for_go

BURST = 900
"""Frames over one connection, below what a client may send at once: beyond it they are not even read."""

_FAR_TOO_LARGE = 5 << 20
_MARK = "fuzz-end"
_WITHIN = 60.0

_FRAMING = (1002, 1007, 1009)
"""What a connection is closed with when WebSocket itself was violated: nothing that follows is read."""

Value = Any
Frame = tuple[bytes, bool]
"""A frame's payload, and whether it goes as text."""

_VALID: tuple[dict[str, Value], ...] = (
    {"type": "say", "id": 1, "npc": "fuzzed", "speaker": {"id": "p", "name": "Mira", "kind": "player"}, "text": "Hi."},
    {"type": "event", "id": "e", "hearers": ["fuzzed"], "text": "A bell.", "kind": "sound", "salience": 0.5},
    # Of a persona that there is not, or every other frame would leave an NPC behind.
    {"type": "npc.spawn", "id": 3, "npc": "n", "persona": "nobody", "vars": {"town": "Oakvale"}},
    {"type": "npc.despawn", "id": 4, "npc": "nobody"},
    {"type": "npc.list", "id": 5, "active": True},
    {"type": "npc.inspect", "id": 6, "npc": "fuzzed"},
    {"type": "hint", "id": 7, "npcs": ["fuzzed"], "eta_ms": 100},
    {"type": "cancel", "id": 8, "target": 1},
    {"type": "subscribe", "id": 9, "topics": []},
    {"type": "ping", "id": 10},
    {"type": "hello", "id": 11, "protocol": 1, "client": {"name": "fuzz", "version": "1", "game": "none"}},
)
_WRONG: tuple[Value, ...] = (
    None, True, -1, 2**63, 2**64 - 1, 1.5, "", "x" * 200, "\x00", b"\xff", [], {}, [[]], {"": {}}, [None] * 40,
)  # fmt: skip


class Fuzzer:
    """Makes frames out of valid messages, the same ones for the same ``seed``."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._ways: tuple[Callable[[dict[str, Value]], Frame], ...] = (
            self._truncated,
            self._deep,
            self._huge,
            self._wrong_type,
            self._not_utf8,
            self._flipped,
            self._noise,
            self._nearly,
        )

    def frame(self) -> tuple[str, Frame]:
        """The next one, and what was done to it."""
        way = self._random.choice(self._ways)
        return way.__name__.strip("_"), way(deepcopy(self._random.choice(_VALID)))

    def _truncated(self, message: dict[str, Value]) -> Frame:
        whole, text = self._encode(message)
        return whole[: self._random.randrange(len(whole))], text

    def _deep(self, message: dict[str, Value]) -> Frame:
        depth = self._random.choice((15, 17, 100, 600, 20_000))
        key = self._random.choice(list(message))
        if self._random.random() < 0.5:
            opening, closing = self._random.choice((("[", "]"), ('{"a":', "}")))
            return f'{{"type":"ping","{key}":{opening * depth}1{closing * depth}}}'.encode(), True
        opening_bytes = self._random.choice((b"\x91", b"\x81\xa1a"))
        return b"\x82\xa4type\xa4ping" + msgpack.packb(key) + opening_bytes * depth + b"\x01", False

    def _huge(self, message: dict[str, Value]) -> Frame:
        draw = self._random.random()
        if draw < 0.01:
            return b"\xc6" + _FAR_TOO_LARGE.to_bytes(4, "big") + bytes(_FAR_TOO_LARGE), False
        if draw < 0.3:  # containers and strings that promise more than there is
            kind = self._random.choice((b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9"))
            return b"\x81\xa4type" + kind + self._random.choice((b"\xff\xff\xff\xff", b"\x00\x10\x00\x00")), False
        much: tuple[Value, ...] = ("y" * 17_000, ["z"] * 1025, {str(i): i for i in range(1025)}, "w" * 270_000)
        message[self._random.choice(list(message))] = self._random.choice(much)
        return self._encode(message)

    def _wrong_type(self, message: dict[str, Value]) -> Frame:
        for _ in range(self._random.randint(1, 3)):
            place: Value = message
            key = self._random.choice(list(place))
            if isinstance(place[key], dict) and place[key] and self._random.random() < 0.7:
                place = place[key]
                key = self._random.choice(list(place))
            place[key] = deepcopy(self._random.choice(_WRONG))
        return self._encode(message)

    def _not_utf8(self, message: dict[str, Value]) -> Frame:
        message["text"] = "MARK"
        whole, text = self._encode(message)
        # In a text frame that breaks WebSocket itself, so the connection ends: only now and then.
        if text and self._random.random() < 0.98:
            return whole.replace(b"MARK", self._random.choice((b"\\ud800", b"\\udfff!", b"\\uZZZZ", b"\\x00"))), True
        return whole.replace(b"MARK", self._random.choice((b"\xff\xfe\xfd\xfc", b"\xc3\x28aa", b"\xed\xa0\x80a"))), text

    def _flipped(self, message: dict[str, Value]) -> Frame:
        whole = bytearray(msgpack.packb(message))
        for _ in range(self._random.randint(1, 4)):
            whole[self._random.randrange(len(whole))] ^= 1 << self._random.randrange(8)
        return bytes(whole), False

    def _noise(self, _message: dict[str, Value]) -> Frame:
        return self._random.randbytes(self._random.randint(0, 64)), False

    def _nearly(self, message: dict[str, Value]) -> Frame:
        """A field too few, one too many, or a name that is not quite right."""
        key = self._random.choice(list(message))
        value = message.pop(key)
        if self._random.random() < 0.5:
            message[key + self._random.choice(("", "s", "\u200b"))] = value
            message["extra"] = deepcopy(self._random.choice(_WRONG))
        return self._encode(message)

    def _encode(self, message: Mapping[str, Value]) -> Frame:
        if self._random.random() < 0.5:
            return json.dumps(message, default=lambda _: None).encode(), True
        return msgpack.packb(message), False


def _ends_connection(payload: bytes, as_text: bool) -> bool:
    """Whether WebSocket itself is violated: by text that is none, or by far too much of it."""
    try:
        if as_text:
            payload.decode()
    except UnicodeDecodeError:
        return True
    return len(payload) >= _FAR_TOO_LARGE


class _Target:
    """One connection after another to the server, and what came back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.answers: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.unanswered = 0

    async def attack(self, fuzzer: Fuzzer, frames: int, *, text: bool) -> int:
        """Send up to ``frames`` over one connection that speaks JSON or msgpack. How many were sent.

        None is sent behind one that ends the connection: it would never be read.
        """
        socket = await self._open(text=text)
        sent = 0
        reader = asyncio.create_task(self._read(socket))
        try:
            while sent < frames and not reader.done():
                _, (payload, as_text) = fuzzer.frame()
                # Frames of the other kind are wrong as a whole: some, not half of all.
                if as_text != text and sent % 10:
                    continue
                sent += 1
                await socket.send(payload, text=as_text)
                if _ends_connection(payload, as_text):
                    break
            await socket.send(self._encode({"type": "ping", "id": _MARK}, text=text), text=text)
            if not await asyncio.wait_for(reader, _WITHIN) and socket.close_code not in _FRAMING:
                self.unanswered += 1
        except (ConnectionClosed, AttributeError):
            pass  # asyncio's transports can't be aborted once they have lost their loop
        except TimeoutError:
            self.unanswered += 1
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            if socket.close_code is not None:
                self.closed[str(socket.close_code)] += 1
            await socket.close()
        return sent

    async def _open(self, *, text: bool) -> ClientConnection:
        name = Subprotocol("npc.v1.json" if text else "npc.v1.msgpack")
        socket = await connect(
            self._url, subprotocols=[name], compression=None, proxy=None, max_size=None, close_timeout=1.0
        )
        hello = {"type": "hello", "protocol": 1, "id": 0, "client": {"name": "fuzz"}}
        await socket.send(self._encode(hello, text=text), text=text)
        return socket

    async def _read(self, socket: ClientConnection) -> bool:
        """Count answers until the one to the last ping comes. False if the connection ends before."""
        try:
            while True:
                frame = await socket.recv()
                answer = json.loads(frame) if isinstance(frame, str) else msgpack.unpackb(frame)
                self.answers[answer.get("code", answer["type"])] += 1
                if answer["type"] == "pong" and answer.get("re") == _MARK:
                    return True
        except ConnectionClosed:
            return False

    def _encode(self, message: Mapping[str, Value], *, text: bool) -> bytes:
        return json.dumps(message).encode() if text else msgpack.packb(message)


async def fuzz(url: str, frames: int, seed: int) -> None:
    """Wait, send so many frames, and report."""
    fuzzer, target, sent, number = Fuzzer(seed), _Target(url), 0, 0
    tell(ready=True)
    await wait_for_go()
    while sent < frames:
        sent += await target.attack(fuzzer, min(BURST, frames - sent), text=bool(number % 2))
        number += 1
        tell(sent=sent)
    tell(
        done=sent,
        connections=number,
        answers=target.answers,
        closed=target.closed,
        unanswered=target.unanswered,
    )


if __name__ == "__main__":
    asyncio.run(fuzz(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
