"""What can go wrong for a client, named by who is to blame."""

from bridge.protocol import Error
from npc_engine.errors import NpcEngineError, OperatorError


class ProtocolError(NpcEngineError):
    """The server refused or failed a request; ``code`` says why, ``path`` leads into the request."""

    def __init__(self, code: str, message: str, *, path: str = "", retry_after_ms: int | None = None) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)
        self.code = code
        self.path = path

    @classmethod
    def of(cls, error: Error) -> "ProtocolError":
        """The exception for an ``error`` message."""
        return cls(error.code, error.message, path=error.path or "", retry_after_ms=error.retry_after_ms)


class ServerUnreachable(OperatorError, ConnectionError):
    """No server answers at that address, or it doesn't let this client in."""


class ConnectionLost(OperatorError, ConnectionError):
    """The server was there and is gone. Requests that were open have no answer."""
