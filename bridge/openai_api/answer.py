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


WhenSaid = Callable[[str, list[int], bool], None]


class Answer:
    """An ASGI application for one completion. A client that leaves cancels it within a step of the engine.

    ``when_said`` is called with the text of an answer that came to its end, its ids, and whether a stop string cut
    it. ``closing`` is done when the server can wait no longer. Raises Refusal as long as nothing is sent; afterwards
    an error is an event of the stream.
    """

    def __init__(
        self,
        outputs: AsyncGenerator[Output, None],
        form: Form,
        watch: Watch,
        *,
        stream: bool,
        when_said: WhenSaid,
        closing: "asyncio.Future[None]",
    ) -> None:
        self._outputs, self._form, self._watch = outputs, form, watch
        self._stream, self._when_said, self._closing = stream, when_said, closing
        self._started = False
        self._texts: list[str] = []
        self._ids: list[int] = []

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        with self._watch:
            try:
                async with aclosing(self._outputs):
                    await self._while_wanted(receive, self._streamed(send) if self._stream else self._whole(send))
            except Refusal as refusal:
                if not self._started:
                    raise
                # The status has been sent: this is how clients' libraries learn of it now.
                await send(_body(event(refusal.content) + DONE, more=False))

    async def _while_wanted(self, receive: Receive, work: Coroutine[Any, Any, None]) -> None:
        """Do ``work``, but not beyond the moment when the client leaves or the server can wait no longer."""
        task, gone = asyncio.create_task(work), asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((task, gone, self._closing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            gone.cancel()
            await asyncio.wait((task, gone))
        if not task.cancelled():
            task.result()
        elif self._closing.done():
            raise Refusal(503, "The server is shutting down. Send the request again when it is back.", code="closing")

    async def _whole(self, send: Send) -> None:
        output = await self._first()
        while self._take(output):
            output = await anext(self._outputs)
        self._check(output)
        assert output.finish is not None
        body = self._form.whole("".join(self._texts), output.finish, output.usage)
        self._end(output)
        await send(_start(b"application/json", (b"content-length", str(len(body)).encode())))
        await send(_body(body, more=False))

    async def _streamed(self, send: Send) -> None:
        output = await self._first()
        self._check(output)
        self._started = True
        await send(_start(b"text/event-stream; charset=utf-8", (b"cache-control", b"no-cache")))
        body, piece = self._form.opening(), self._form.piece
        while self._take(output):
            if output.text:
                body += piece(output.text)
            if body:
                await send(_body(body, more=True))
                body = b""
            output = await anext(self._outputs)
        self._check(output)
        assert output.finish is not None
        if output.text:
            body += piece(output.text)
        self._end(output)
        await send(_body(body + self._form.closing(output.finish, output.usage), more=False))

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

    def _check(self, output: Output) -> None:
        """Raise Refusal when the engine failed."""
        if output.finish is FinishReason.ERROR:
            self._watch.ended(output.finish)
            logger.error("completion %s failed: %s", output.request_id, output.error)
            what = f"The completion failed; the server's log says why under {output.request_id}. Send it again."
            raise Refusal(500, what, code="internal")

    def _end(self, output: Output) -> None:
        # Before the last byte is sent: the client may ask again while that call still returns.
        assert output.finish is not None
        self._watch.ended(output.finish)
        # The id that ends a turn is never part of an answer; a stop string's are.
        cut = output.finish is FinishReason.STOP and bool(output.token_ids)
        self._when_said("".join(self._texts), self._ids, cut)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(content_type: bytes, *headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type), *headers]}


def _body(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
