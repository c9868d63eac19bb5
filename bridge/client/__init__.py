"""The Python client of the bridge: ``Client``, the replies it gives and the errors it raises."""

from bridge.client.client import Client
from bridge.client.dialling import DEFAULT_URL
from bridge.client.errors import ConnectionLost, ProtocolError, ServerUnreachable
from bridge.client.exchange import Reactions, Reply
from bridge.protocol import ReplyDone, Speaker, Stats

__all__ = [
    "DEFAULT_URL",
    "Client",
    "ConnectionLost",
    "ProtocolError",
    "Reactions",
    "Reply",
    "ReplyDone",
    "ServerUnreachable",
    "Speaker",
    "Stats",
]
