"""What waits to be sent to one client: numbered, bounded, and merged where the client reads slowly.

Messages are encoded when they come in, so that one that can't be written is its sender's error and not the
connection's. A reply.delta that comes while the delta before it is still waiting is added to it: a client that keeps
up gets every piece by itself, one that doesn't gets fewer and longer ones, and the text is the same. Since the merged
piece keeps the number of the first, numbers have no gaps. The first to go are the stats that a client subscribed to:
while one waits, the next is not wanted.
"""

from collections import deque
from typing import Any

from bridge.codec import Codec, Frame
from bridge.protocol import AnyAnswer, ReplyDelta, Stats

# What a message costs beyond its text: its frame, its place in the queue. A guess on the high side.
_OVERHEAD = 200

# Merging stops here, well below what common WebSocket clients take as one message.
_LARGEST_MERGE = 32 * 1024


class _Waiting:
    """One message that waits. ``pieces`` has the further texts of a delta that others were merged into."""

    __slots__ = ("frame", "pieces", "plain", "size")

    def __init__(self, plain: dict[str, Any], frame: Frame) -> None:
        self.plain = plain
        self.frame = frame
        self.pieces: list[str] = []
        self.size = len(frame) + _OVERHEAD


class Outbox:
    """The messages on their way to one client.

    The caller must look at ``full`` after every ``put`` and end the session when it is: nothing here blocks, and
    nothing but stats is dropped. ``codec`` may be set once it is known; nothing can be put before.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self._largest_merge = min(_LARGEST_MERGE, max_bytes // 4)
        self.codec: Codec | None = None
        self.bytes = 0
        self._seq = 0
        self._stats: _Waiting | None = None  # the one that a subscription left here
        self._waiting: deque[_Waiting] = deque()
        # The last thing that waits of each reply, while it is a delta; what came between belongs to other replies.
        self._tails: dict[tuple[int | str | None, str], _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether more waits than may: the client doesn't read. One message alone is never too much."""
        return len(self._waiting) > 1 and (len(self._waiting) > self.max_messages or self.bytes > self.max_bytes)

    def put(self, message: AnyAnswer, *, numbered: bool = True) -> None:
        """Append ``message``; ``numbered`` messages get the session's next ``seq``. Raises CodecError."""
        assert self.codec is not None
        reply = None
        if isinstance(message, ReplyDelta):
            reply = (message.re, message.npc)
            tail = self._tails.get(reply)
            if tail is not None and tail.size < self._largest_merge:
                self._merge(tail, message)
                return
        pushed = isinstance(message, Stats) and message.re is None
        if pushed and self._stats is not None:
            return
        plain = message.to_wire()
        if numbered:
            plain["seq"] = self._seq + 1
        waiting = _Waiting(plain, self.codec.encode(plain))
        self._seq += numbered
        self._waiting.append(waiting)
        self.bytes += waiting.size
        if pushed:
            self._stats = waiting
        if reply is not None:
            self._tails[reply] = waiting
        elif (npc := getattr(message, "npc", None)) is not None:
            self._tails.pop((message.re, npc), None)

    def take(self) -> Frame | None:
        """Remove the next message and return it as it goes over the wire; None if nothing waits."""
        if not self._waiting:
            return None
        assert self.codec is not None
        waiting = self._waiting.popleft()
        self.bytes -= waiting.size
        if waiting is self._stats:
            self._stats = None
        if waiting.plain["type"] == "reply.delta":
            reply = (waiting.plain.get("re"), waiting.plain["npc"])
            if self._tails.get(reply) is waiting:
                del self._tails[reply]
        if not waiting.pieces:
            return waiting.frame
        return self.codec.encode({**waiting.plain, "text": waiting.plain["text"] + "".join(waiting.pieces)})

    def clear(self) -> None:
        """Drop all that waits."""
        self._waiting.clear()
        self._tails.clear()
        self._stats = None
        self.bytes = 0

    def _merge(self, tail: _Waiting, message: ReplyDelta) -> None:
        assert self.codec is not None
        size = len(self.codec.encode({"text": message.text}))
        tail.pieces.append(message.text)
        tail.size += size
        self.bytes += size
