"""The routes."""

import asyncio
import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bridge.openai_api.answer import Answer, WhenSaid
from bridge.openai_api.body import Body, ChatBody, TextBody, read_body
from bridge.openai_api.door import Door
from bridge.openai_api.form import ChatForm, Form
from bridge.openai_api.metrics import Metrics, Watch
from bridge.openai_api.prompt import PromptWriter, unhurried
from bridge.openai_api.refusal import Refusal, refused
from npc_engine.errors import NpcEngineError
from npc_engine.inference.request import Generator, Request, Sampling
from npc_engine.inference.tokenizer import Tokenizer
from npc_engine.mind.chat_template import ChatTemplate

MAX_BODY = 2 * 1024 * 1024
"""Bytes of a request: more than any context holds."""

LONGEST = 1024
"""Tokens of an answer to a request that names no limit: a small model that has lost its way would go on for ever."""

PENALTY_WINDOW = 1024
"""OpenAI's penalties look at the whole answer; this much of it is nearly always all."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model behind the API, under the name that clients are told."""

    name: str
    generator: Generator
    tokenizer: Tokenizer
    template: ChatTemplate
    end_ids: frozenset[int]


class Api:
    """What each route does. Made on the event loop that serves it."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._writer = PromptWriter(served.template, served.tokenizer)
        self._metrics = Metrics()
        self._created = int(time.time())
        self._closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def app(self, token: str | None, origins: Collection[str]) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/completions", self.text, methods=["POST"]),
            Route("/v1/models", self.models),
            Route("/v1/models/{name:path}", self.model),
            Route("/healthz", self.healthz),
            Route("/metrics", self.metrics),
        ]
        middleware = [Middleware(Door, token, origins)]
        if origins:
            anything = ("*",)
            cors = Middleware(
                CORSMiddleware, allow_origins=tuple(origins), allow_methods=anything, allow_headers=anything
            )
            middleware.insert(0, cors)
        handlers: dict[Any, Any] = {Refusal: self._answer_refusal, HTTPException: _answer_http, Exception: _answer_bug}
        return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)

    async def chat(self, request: HttpRequest) -> Answer:
        """POST /v1/chat/completions."""
        watch = self._metrics.watch()
        body = read_body(ChatBody, await _json(request))
        self._check_length(sum(len(message.content) for message in body.messages), "messages")
        prompt = await self._writer.write(body.messages, body.user or "")
        asked = self._request(body, prompt.ids, "messages")
        form = ChatForm(asked.id, self._served.name, usage_asked=_usage_asked(body))

        def said(text: str, ids: list[int], cut: bool) -> None:
            self._writer.remember(prompt, text, ids, cut=cut)

        return self._answer(body, asked, form, watch, said)

    async def text(self, request: HttpRequest) -> Answer:
        """POST /v1/completions."""
        watch = self._metrics.watch()
        body = read_body(TextBody, await _json(request))
        asked = self._request(body, await self._prompt_ids(body.prompt), "prompt")
        form = Form(asked.id, self._served.name, usage_asked=_usage_asked(body))
        return self._answer(body, asked, form, watch, lambda *_: None)

    async def models(self, _request: HttpRequest) -> Response:
        """GET /v1/models."""
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def model(self, request: HttpRequest) -> Response:
        """GET /v1/models/NAME."""
        if request.path_params["name"] != self._served.name:
            raise Refusal(404, f"This server has one model, {self._served.name!r}.", code="model_not_found")
        return JSONResponse(self._model())

    async def healthz(self, _request: HttpRequest) -> Response:
        """GET /healthz: 200 while the engine takes requests."""
        try:
            await self._served.generator.stats()
        except NpcEngineError as error:
            raise refused(error) from error
        return JSONResponse({"status": "ok"})

    async def metrics(self, _request: HttpRequest) -> Response:
        """GET /metrics, for Prometheus."""
        try:
            stats = await self._served.generator.stats()
        except NpcEngineError as error:
            raise refused(error) from error
        return Response(self._metrics.page(stats), media_type=CONTENT_TYPE_LATEST)

    async def _answer_refusal(self, request: HttpRequest, error: Refusal) -> Response:
        if request.method == "POST":
            self._metrics.refused()
        return error.response()

    def close(self) -> None:
        """End what still runs: the server can wait no longer."""
        if not self._closing.done():
            self._closing.set_result(None)

    def _answer(self, body: Body, asked: Request, form: Form, watch: Watch, when_said: WhenSaid) -> Answer:
        outputs = self._served.generator.generate(asked)
        return Answer(outputs, form, watch, stream=bool(body.stream), when_said=when_said, closing=self._closing)

    def _model(self) -> dict[str, Any]:
        return {
            "id": self._served.name,
            "object": "model",
            "created": self._created,
            "owned_by": "npc-engine",
            "max_model_len": self._served.generator.max_context,
        }

    async def _prompt_ids(self, prompt: str | list[int]) -> tuple[int, ...]:
        tokenizer = self._served.tokenizer
        if isinstance(prompt, str):
            self._check_length(len(prompt), "prompt")
            return tuple(await unhurried(len(prompt), partial(tokenizer.encode_whole, prompt)))
        if max(prompt) >= tokenizer.vocab_size:
            most = tokenizer.vocab_size - 1
            raise Refusal(400, f"`prompt`: token ids go up to {most}.", param="prompt", code="invalid_value")
        return tuple(prompt)

    def _check_length(self, characters: int, param: str) -> None:
        """Raise Refusal for what is too long whatever its tokens are: telling them all apart takes everybody's time."""
        window = self._served.generator.max_context
        if characters > window * self._served.tokenizer.longest:
            raise Refusal(
                400,
                f"`{param}`: the prompt has {characters} characters, and prompt and answer together may have "
                f"{window} tokens. Send less, or start the server with a larger max_context.",
                param=param,
                code="context_length_exceeded",
            )

    def _request(self, body: Body, ids: tuple[int, ...], param: str) -> Request:
        """The request to the engine. An answer may be as long as was asked for, and as there is room."""
        generator, longest = self._served.generator, body.longest
        room = generator.max_context - len(ids)
        if room < 0 or (room == 0 and longest != 0):
            raise Refusal(
                400,
                f"`{param}`: the prompt is {len(ids)} tokens long, and prompt and answer together may have "
                f"{generator.max_context}. Send less, or start the server with a larger max_context.",
                param=param,
                code="context_length_exceeded",
            )
        if not ids:
            raise Refusal(400, f"`{param}`: expected some text, got none.", param=param, code="invalid_value")
        sampling = Sampling(
            temperature=_or(body.temperature, 1.0),
            top_k=max(body.top_k or 0, 0),
            top_p=_or(body.top_p, 1.0),
            min_p=_or(body.min_p, 0.0),
            repetition_penalty=_or(body.repetition_penalty, 1.0),
            frequency_penalty=_or(body.frequency_penalty, 0.0),
            presence_penalty=_or(body.presence_penalty, 0.0),
            penalty_window=PENALTY_WINDOW,
            # Many clients spell "any" as -1.
            seed=None if body.seed == -1 else body.seed,
            max_tokens=min(LONGEST if longest is None else longest, room),
            stop=tuple(body.stop or ()),
            stop_ids=self._served.end_ids,
            ignore_stop_ids=bool(body.ignore_eos),
        )
        return Request(generator.new_id(), ids, sampling)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _usage_asked(body: Body) -> bool:
    return body.stream_options is not None and bool(body.stream_options.include_usage)


async def _json(request: HttpRequest) -> Any:
    """The request's body. Raises Refusal when it is too large, or no JSON."""
    raw = bytearray()
    try:
        async for piece in request.stream():
            raw += piece
            if len(raw) > MAX_BODY:
                raise Refusal(413, f"The request is larger than {MAX_BODY} bytes. Send less.", code="body_too_large")
    except ClientDisconnect:
        raise Refusal(400, "The request's body has no end.", code="invalid_json") from None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"The request's body is not JSON: {error}.", code="invalid_json") from None


async def _answer_http(request: HttpRequest, error: HTTPException) -> Response:
    if error.status_code == 405:
        what = f"{request.url.path} doesn't take {request.method}."
    else:
        what = f"There is nothing at {request.url.path}: the API is /v1/chat/completions, /v1/completions, /v1/models."
    response = Refusal(error.status_code, what, code="not_found").response()
    response.headers.update(error.headers or {})
    return response


async def _answer_bug(_request: HttpRequest, _error: Exception) -> Response:
    return Refusal(500, "This should not have happened; the server's log has more.", code="internal").response()
