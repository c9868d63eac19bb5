"""Addresses to listen on: which are safe without a token, and why one can't be had."""

import errno
import ipaddress
import os
import socket

from npc_engine.errors import OperatorError

_BACKLOG = 100


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can connect to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_token(host: str, token: str | None) -> None:
    """Raise OperatorError if listening on ``host`` would let strangers in."""
    if not (token or "").strip() and not is_loopback(host):
        raise OperatorError(
            f"Listening on {host or 'all addresses'} lets other machines in, and no token is set.",
            remedy="Set one with --token, or listen on 127.0.0.1.",
        )


def url_host(host: str) -> str:
    """``host`` as it is spelt in a URL."""
    return f"[{host}]" if ":" in host else host


def bind(host: str, port: int, *, flag: str) -> list[socket.socket]:
    """Sockets that listen on every address of ``host``, all on one port. Looking the name up may block.

    Raises OperatorError that advises ``flag``.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, proto, _, address in dict.fromkeys(found):
            if family == socket.AF_INET6 and len(found) > 1 and not _has_ipv6():
                continue
            listener = socket.socket(family, kind, proto)
            sockets.append(listener)
            if os.name == "posix":
                # A restart must not wait for the last connections to be forgotten. On Windows it means something else.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address[0], port, *address[2:]))
            listener.listen(_BACKLOG)
            listener.setblocking(False)
            port = listener.getsockname()[1]
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise cannot_listen(error, host, port, flag=flag) from error
    return sockets


def cannot_listen(error: OSError, host: str, port: int, *, flag: str) -> OperatorError:
    """What the operator is told. ``flag`` chooses another port."""
    where = f"{host or 'all addresses'} port {port}"
    if error.errno == errno.EADDRINUSE:
        return OperatorError(
            f"Another program listens on {where} already.",
            remedy=f"Stop it, or choose another port with {flag}; {flag} 0 {_ZERO[flag]}.",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return OperatorError(f"This user may not listen on {where}.", remedy=f"Choose a port above 1023 with {flag}.")
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return OperatorError(
            f"This machine has no address {host!r}.",
            remedy="Use --host 127.0.0.1, or an address that this machine has.",
        )
    return OperatorError(f"Can't listen on {where}: {error}.", remedy=f"Try another --host or {flag}.")


def _has_ipv6() -> bool:
    """Whether this machine has IPv6 at all: localhost may have an address of that kind all the same."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


_ZERO = {"--port": "picks a free one", "--http-port": "does without HTTP", "--neuro-port": "does without these games"}
