"""One completion on its way to one client, as a stream or at once, for as long as somebody listens."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from bridge.openai_api.form import DONE, Form, event
from bridge.openai_api.metrics import Watch
from bridge.openai_api.refusal import Refusal, refused
from npc_engine.errors import NpcEngineError
from npc_engine.inference.request import FinishReason, Output

logger = logging.getLogger(__name__)


class Answer:
    """An ASGI application for one completion. A client that leaves cancels it within a step of the engine.

    ``said`` is called with text and ids of an answer that came to its end. Raises Refusal as long as nothing is sent.
    """

    def __init__(
        self,
        outputs: AsyncGenerator[Output, None],
        form: Form,
        watch: Watch,
        *,
        stream: bool,
        said: Callable[[str, list[int]], None],
    ) -> None:
        self._outputs, self._form, self._watch = outputs, form, watch
        self._stream, self._said = stream, said
        self._texts: list[str] = []
        self._ids: list[int] = []

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        with self._watch:
            async with aclosing(self._outputs):
                await _while_connected(receive, self._streamed(send) if self._stream else self._whole(send))

    async def _whole(self, send: Send) -> None:
        output = await self._first()
        while self._take(output):
            output = await anext(self._outputs)
        assert output.finish is not None
        if output.finish is FinishReason.ERROR:
            raise self._failed(output)
        body = self._form.whole("".join(self._texts), output.finish, output.usage)
        await send(_start(b"application/json", (b"content-length", str(len(body)).encode())))
        await send(_body(body, more=False))
        self._end(output.finish)

    async def _streamed(self, send: Send) -> None:
        output = await self._first()
        if output.finish is FinishReason.ERROR:
            raise self._failed(output)
        await send(_start(b"text/event-stream; charset=utf-8", (b"cache-control", b"no-cache")))
        body, piece = self._form.opening(), self._form.piece
        while self._take(output):
            if output.text:
                body += piece(output.text)
            if body:
                await send(_body(body, more=True))
                body = b""
            output = await anext(self._outputs)
        assert output.finish is not None
        if output.text:
            body += piece(output.text)
        if output.finish is FinishReason.ERROR:
            # The status has been sent: this is how clients' libraries learn of it now.
            body += event(self._failed(output).content) + DONE
            self._watch.ended(output.finish)
        else:
            body += self._form.closing(output.finish, output.usage)
            self._end(output.finish)
        await send(_body(body, more=False))

    async def _first(self) -> Output:
        """The first output. What can't be served is refused here, while there is still a status to choose."""
        try:
            output = await anext(self._outputs)
        except NpcEngineError as error:
            raise refused(error) from error
        self._watch.first()
        return output

    def _take(self, output: Output) -> bool:
        """Keep what came. Whether more will come."""
        self._texts.append(output.text)
        self._ids += output.token_ids
        return output.finish is None

    def _end(self, finish: FinishReason) -> None:
        self._watch.ended(finish)
        self._said("".join(self._texts), self._ids)

    def _failed(self, output: Output) -> Refusal:
        logger.error("completion %s failed: %s", output.request_id, output.error)
        return Refusal(
            500,
            f"The completion failed; the server's log says why under {output.request_id}. Send the request again.",
            code="internal",
        )


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work``, but not beyond the moment when the client leaves."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for either in (task, gone):
            either.cancel()
        await asyncio.wait((task, gone))
    if not task.cancelled():
        task.result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(content_type: bytes, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type), *headers]}


def _body(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
