"""Who may come in. The same rules as for the WebSocket: programs of this machine, or whoever knows the token.

A browser runs whatever pages its user visits, so pages are refused unless they are on the list. A page may also have
its own name lead to this machine (DNS rebinding) and then sends no foreign Origin, but its name stands in Host.
"""

import hmac
import logging
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.listening import is_loopback
from bridge.openai_api.refusal import Refusal

logger = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/healthz"})
"""Whoever restarts services asks here, and knows no secrets."""


class Door:
    """An ASGI middleware that lets some requests through and answers the others."""

    def __init__(self, app: ASGIApp, token: str | None, origins: Collection[str]) -> None:
        """``origins`` as browsers spell them."""
        self._app = app
        self._token = token.encode() if token else None
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(scope["path"], Headers(scope=scope))
            if refusal is not None:
                await refusal.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, path: str, headers: Headers) -> Refusal | None:
        for origin in headers.getlist("origin"):
            if origin.lower() not in self._origins:
                logger.warning("refused a web page from origin %r; put it on the list if it is yours", origin)
                return Refusal(
                    403, f"Pages from {origin!r} are not on this server's list of origins.", code="forbidden_origin"
                )
        if self._token is None:
            # Without a token the server listens on loopback only, where nobody but a page calls it by another name.
            host = headers.get("host", "localhost")
            name = _name(host)
            if not is_loopback(name):
                logger.warning("refused a request for host %r, which is not this machine's own name for itself", host)
                return Refusal(
                    403,
                    f"This server does not answer to the name {host!r}. Call it 127.0.0.1 or localhost, "
                    "or start it with a token.",
                    code="forbidden_host",
                )
        elif path not in OPEN_PATHS:
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), self._token):
                return Refusal(
                    401,
                    "The token is missing or wrong. Send the one the server was started with, as API key "
                    "(Authorization: Bearer ...).",
                    code="invalid_api_key",
                )
        return None


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
