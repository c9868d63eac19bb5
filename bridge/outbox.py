"""What waits to be sent to one client: numbered, bounded, and merged where the client reads slowly.

Messages are encoded when they come in, so that one that can't be written is its sender's error and not the
connection's. A client that reads too slowly first loses the stats that it subscribed to: they are dropped while one
of them waits, or anything else does in earnest. Then a reply.delta that comes while the delta before it is still
waiting is added to it: a client that keeps up gets every piece by itself, one that doesn't gets fewer and longer ones,
and the text is the same. Both happen before a number is given out, and a merged piece keeps the number of its first,
so numbers have no gaps, and what has a number is the same whenever it is sent.
"""

from collections import deque
from typing import Any, NamedTuple

from bridge.codec import Codec, Frame
from bridge.protocol import AnyAnswer, ReplyDelta, Stats

# What a message costs beyond its text: its frame, its place in the queue. A guess on the high side.
OVERHEAD = 200

# Merging stops here, well below what common WebSocket clients take as one message.
_LARGEST_MERGE = 32 * 1024

# Beyond this share of what may wait, the client is slow enough to do without stats.
_BUSY = 0.25

_Reply = tuple[int | str | None, str]


class Outgoing(NamedTuple):
    """A message as it goes over the wire. ``seq`` is its number in the session; None if it is none of its messages."""

    frame: Frame
    seq: int | None


class _Waiting:
    """One message that waits.

    ``plain`` is that of a delta, which others may be merged into; ``pieces`` has their texts.
    """

    __slots__ = ("frame", "is_stats", "pieces", "plain", "seq", "size")

    def __init__(self, frame: Frame, seq: int | None, plain: dict[str, Any] | None, *, is_stats: bool) -> None:
        self.frame = frame
        self.seq = seq
        self.plain = plain
        self.pieces: list[str] = []
        self.is_stats = is_stats
        self.size = len(frame) + OVERHEAD

    @property
    def reply(self) -> _Reply | None:
        """Which reply a delta belongs to."""
        return None if self.plain is None else (self.plain.get("re"), self.plain["npc"])


class Outbox:
    """The messages on their way to one client.

    The caller must look at ``full`` after every ``put`` and stop waiting for the client when it is: nothing here
    blocks, and nothing but stats is dropped. ``codec`` may be set once it is known; nothing can be put before.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self._largest_merge = min(_LARGEST_MERGE, max_bytes // 4)
        self.codec: Codec | None = None
        self.bytes = 0
        self.newest = 0  # the last number that was given out
        self._has_stats = False  # that a subscription left here
        self._waiting: deque[_Waiting] = deque()
        # The last thing that waits of each reply, while it is a delta; what came between belongs to other replies.
        self._tails: dict[_Reply, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether more waits than may: the client doesn't read. One message alone is never too much."""
        return len(self._waiting) > 1 and (len(self._waiting) > self.max_messages or self.bytes > self.max_bytes)

    def put(self, message: AnyAnswer, *, numbered: bool = True) -> None:
        """Append ``message``; ``numbered`` messages get the session's next ``seq``. Raises CodecError."""
        assert self.codec is not None
        is_delta = isinstance(message, ReplyDelta)
        is_stats = isinstance(message, Stats) and message.re is None
        if is_stats and (self._has_stats or self._busy):
            return
        reply = (message.re, npc) if (npc := getattr(message, "npc", None)) is not None else None
        tail = self._tails.get(reply) if is_delta and reply is not None else None
        if tail is not None and tail.size < self._largest_merge:
            assert isinstance(message, ReplyDelta)
            self._merge(tail, message.text)
            return
        plain = message.to_wire()
        if numbered:
            plain["seq"] = self.newest + 1
        frame = self.codec.encode(plain)
        self.newest += numbered
        waiting = _Waiting(frame, plain.get("seq"), plain if is_delta else None, is_stats=is_stats)
        self._waiting.append(waiting)
        self.bytes += waiting.size
        self._has_stats |= is_stats
        if is_delta and reply is not None:
            self._tails[reply] = waiting
        elif reply is not None:
            self._tails.pop(reply, None)

    def take(self) -> Outgoing | None:
        """Remove the next message and return it; None if nothing waits."""
        if not self._waiting:
            return None
        waiting = self._waiting.popleft()
        self.bytes -= waiting.size
        if waiting.is_stats:
            self._has_stats = False
        if (reply := waiting.reply) is not None and self._tails.get(reply) is waiting:
            del self._tails[reply]
        return Outgoing(self._frame(waiting), waiting.seq)

    def clear(self) -> None:
        """Drop all that waits."""
        self._waiting.clear()
        self._tails.clear()
        self._has_stats = False
        self.bytes = 0

    @property
    def _busy(self) -> bool:
        return len(self._waiting) > _BUSY * self.max_messages or self.bytes > _BUSY * self.max_bytes

    def _frame(self, waiting: _Waiting) -> Frame:
        if waiting.plain is None or not waiting.pieces:
            return waiting.frame
        assert self.codec is not None
        return self.codec.encode({**waiting.plain, "text": waiting.plain["text"] + "".join(waiting.pieces)})

    def _merge(self, tail: _Waiting, text: str) -> None:
        assert self.codec is not None
        size = len(self.codec.encode({"text": text}))
        tail.pieces.append(text)
        tail.size += size
        self.bytes += size
