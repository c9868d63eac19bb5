"""What one client may ask of the server; stated in ``welcome``, so that a client can keep to it."""

from pydantic import Field

from bridge.protocol.base import Integer, Part


class Limits(Part):
    """All limits of a session. Beyond one of them is an error with a ``limit_*`` code; the session goes on."""

    message_bytes: Integer = Field(256 * 1024, description="the largest message, encoded", ge=1024)
    string_chars: Integer = Field(16 * 1024, description="the longest string in a message", ge=128)
    depth: Integer = Field(16, description="how deep maps and lists may be nested", ge=4)
    items: Integer = Field(1024, description="the most entries of one map or list", ge=16)
    open_requests: Integer = Field(64, description="requests without a final answer yet", ge=1)
    npcs: Integer = Field(4096, description="NPCs that one session has spawned and not despawned", ge=1)
    messages_per_second: Integer = Field(200, description="messages, sustained", ge=1)
    message_burst: Integer = Field(1000, description="messages at once, after a quiet while", ge=1)
    queue_messages: Integer = Field(1024, description="messages that may wait for a client that reads slowly", ge=8)
    queue_bytes: Integer = Field(1024 * 1024, description="bytes that may wait for it", ge=4096)
    resume_messages: Integer = Field(4096, description="messages that are kept for a client that comes back", ge=0)
    resume_bytes: Integer = Field(4 * 1024 * 1024, description="bytes that are kept for it", ge=0)
