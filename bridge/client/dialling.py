"""How a client gets a socket to a server, and what it says when it can't have one."""

import ssl

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from bridge.client.errors import ServerUnreachable
from bridge.codec import OWN_LIMITS

DEFAULT_URL = "ws://127.0.0.1:8765"

_REFUSALS = (400, 403, 503)
"""How an NPC Engine turns a client away: its subprotocols, its origin, or too many clients."""


async def dial(url: str, subprotocol: str, patience: float, tls: ssl.SSLContext | None) -> ClientConnection:
    """A socket to ``url``, open. ``tls`` says whom to trust, if not those that this machine trusts.

    Raises ServerUnreachable, or TimeoutError after ``patience`` seconds.
    """
    try:
        return await connect(
            url,
            subprotocols=[Subprotocol(subprotocol)],
            compression=None,
            ssl=(tls or True) if url.startswith("wss:") else None,
            proxy=None,  # the server is on this machine or near it
            max_size=OWN_LIMITS.message_bytes,
            open_timeout=patience,
            close_timeout=2.0,
            ping_timeout=120.0,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        if status not in _REFUSALS:
            raise ServerUnreachable(
                f"What listens at {url} is no WebSocket of an NPC Engine (HTTP status {status}).",
                remedy="Name the ws:// address that `npc-engine serve` prints; its HTTP API has a port of its own.",
            ) from error
        told = bytes(error.response.body or b"").decode(errors="replace").strip()
        raise ServerUnreachable(f"{url} refuses with status {status}. {told}") from error
    except (InvalidHandshake, EOFError) as error:
        raise ServerUnreachable(
            f"What listens at {url} is no NPC Engine ({error}).", remedy="Name the address of one."
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise ServerUnreachable(
            f"{url} shows a certificate that is not trusted here ({error.verify_message}).",
            remedy="Trust the one who signed it, or connect under the name that it was made for.",
        ) from error
    except (InvalidURI, ValueError) as error:
        raise ServerUnreachable(f"{url!r} is no address.", remedy=f"Write it as {DEFAULT_URL}.") from error
    except TimeoutError:
        raise
    except OSError as error:
        raise ServerUnreachable(
            f"No NPC Engine answers at {url}.",
            remedy="Start one with `npc-engine serve`, or name the address of one.",
        ) from error
