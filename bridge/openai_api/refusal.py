"""Errors in OpenAI's form: what clients' libraries turn into exceptions of their own."""

import json
import math
from typing import Any

from starlette.responses import Response

from npc_engine.errors import LimitExceeded, NpcEngineError, Overloaded

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refusal(Exception):
    """A request that is answered with an error. ``param`` is the path in the body to what is wrong."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.retry_after_ms = retry_after_ms

    @property
    def content(self) -> dict[str, Any]:
        """The error as a map."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """The error as an answer."""
        headers = {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.retry_after_ms is not None:
            headers["Retry-After"] = str(math.ceil(self.retry_after_ms / 1000))
        return Response(json.dumps(self.content), self.status, headers, media_type="application/json")


def refused(error: NpcEngineError) -> Refusal:
    """What a client is told about an error of the engine's."""
    match error:
        case LimitExceeded():
            return Refusal(400, str(error), code="context_length_exceeded", param="messages")
        case Overloaded():
            return Refusal(429, str(error), code=error.code, retry_after_ms=error.retry_after_ms or 1000)
        case _:
            return Refusal(503, str(error), code=error.code, retry_after_ms=error.retry_after_ms)
