"""Free ports for servers that have to be told which one to take."""

import socket


def free_port() -> int:
    """A TCP port of this machine's loopback that nobody listens on right now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
