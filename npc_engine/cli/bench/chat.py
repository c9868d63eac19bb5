"""A client of any server that has ``/v1/chat/completions``, which notes when each piece of an answer came.

It shares the processor with what it measures, so it does little per piece: aiohttp reads, one ``json.loads``, one look
at the clock.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from npc_engine.errors import OperatorError

try:
    import aiohttp
except ModuleNotFoundError as error:
    raise OperatorError(
        "This benchmark speaks HTTP through aiohttp, which is not installed.",
        remedy="Run: pip install aiohttp, or install npc-engine with its extra named bench.",
    ) from error

Message = Mapping[str, str]

_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``asked``, ``pieces`` (one entry for each that had text) and ``ended`` are on ``perf_counter``."""

    asked: float
    pieces: Sequence[float]
    ended: float
    text: str
    prompt_tokens: int
    cached_tokens: int
    tokens: int

    @property
    def first_token(self) -> float:
        """Seconds until the first piece; an answer without any has taken all of its time."""
        return (self.pieces[0] if self.pieces else self.ended) - self.asked

    def tokens_between(self, begin: float, end: float) -> float:
        """Tokens that came after ``begin`` and until ``end``: as many a piece as all pieces have on average."""
        within = sum(begin < piece <= end for piece in self.pieces)
        return within * self.tokens / len(self.pieces) if self.pieces else 0.0


class ChatServer:
    """A server at ``url``, such as ``http://127.0.0.1:8080/v1``, and the first model that it names.

    Entering connects. Raises OperatorError when the server can't be reached or refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._model = ""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        # A connection for each answer: a kept one may be closed by the server just as it is used again.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        try:
            async with self._session.get(f"{self.url}/models") as response:
                self._model = (await _sound(response).json())["data"][0]["id"]
        except (aiohttp.ClientError, OSError, LookupError, ValueError, TypeError) as error:
            await self._session.close()
            raise OperatorError(
                f"There is no model at {self.url} ({error}).", remedy="The address ends where /chat/completions begins."
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def ask(self, messages: Sequence[Message], max_tokens: int) -> Answer:
        """Have ``messages`` answered in exactly so many tokens, greedily. Raises OperatorError if they are not."""
        body = {
            "model": self._model,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
        }
        assert self._session is not None
        asked = time.perf_counter()
        try:
            async with self._session.post(f"{self.url}/chat/completions", json=body) as response:
                if response.status != 200:
                    raise OperatorError(f"{self.url} answered {response.status}: {(await response.text())[:300]}")
                return await _read(response, asked)
        except (aiohttp.ClientError, OSError) as error:
            raise OperatorError(f"{self.url} broke off ({error}).") from error


async def _read(response: aiohttp.ClientResponse, asked: float) -> Answer:
    pieces: list[float] = []
    text = ""
    usage: Mapping[str, Any] = {}
    async for line in response.content:
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            break
        event = json.loads(data)
        usage = event.get("usage") or usage
        if "error" in event:
            raise OperatorError(f"{response.url} failed: {event['error']}")
        for choice in event.get("choices", ()):
            if piece := (choice.get("delta") or {}).get("content"):
                pieces.append(time.perf_counter())
                text += piece
    return Answer(asked, pieces, time.perf_counter(), text, *_counts(usage, len(pieces)))


def _counts(usage: Mapping[str, Any], pieces: int) -> tuple[int, int, int]:
    """Tokens in the prompt, of it in a cache, and in the answer: a server that doesn't tell sends one a piece."""
    details = usage.get("prompt_tokens_details") or {}
    return (
        int(usage.get("prompt_tokens") or 0),
        int(details.get("cached_tokens") or 0),
        int(usage.get("completion_tokens") or pieces),
    )


def _sound(response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
    response.raise_for_status()
    return response
