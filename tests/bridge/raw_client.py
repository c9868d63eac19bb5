"""A client that sends and receives single messages, good ones and bad ones."""

import asyncio
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bridge.codec import CODECS
from bridge.protocol import Limits

GREETING = {"type": "hello", "protocol": 1, "client": {"name": "test"}, "id": "hello"}


class RawClient:
    """One socket. ``socket_options`` go to websockets' ``connect``."""

    def __init__(self, url: str, subprotocol: str = "npc.v1.msgpack", **socket_options: Any) -> None:
        self.codec = CODECS[subprotocol]
        offered = {"subprotocols": [subprotocol], "close_timeout": 0.5, **socket_options}
        self._connecting = connect(url, compression=None, proxy=None, **offered)
        self.socket: ClientConnection

    async def __aenter__(self) -> Self:
        self.socket = await self._connecting
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.socket.close()

    async def send(self, **message: Any) -> None:
        await self.socket.send(self.codec.encode(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            frame = await self.socket.recv()
        return self.codec.decode(frame, Limits(message_bytes=2**26, string_chars=2**24))

    async def ask(self, **message: Any) -> dict[str, Any]:
        await self.send(**message)
        return await self.receive()

    async def greet(self, **fields: Any) -> dict[str, Any]:
        return await self.ask(**{**GREETING, **fields})

    async def until(self, *types: str) -> list[dict[str, Any]]:
        """All messages up to one of these types."""
        received = [await self.receive()]
        while received[-1]["type"] not in types:
            received.append(await self.receive())
        return received

    async def everything(self) -> tuple[list[dict[str, Any]], int | None]:
        """What still comes until the connection closes, and the code that it closes with."""
        received = []
        try:
            while True:
                received.append(await self.receive())
        except ConnectionClosed:
            return received, self.socket.close_code
