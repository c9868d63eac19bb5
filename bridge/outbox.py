"""What waits to be sent to one client: numbered, bounded, and merged where the client reads slowly.

Messages are encoded when they come in, so that one that can't be written is its sender's error and not the
connection's. A client that reads too slowly first loses of what it subscribed to what it can do without: stats are
dropped while one of them waits, and stats and log lines while much waits. Changes of an NPC are not dropped, or it
would never know; one that comes while an earlier one of that NPC is still waiting takes its place. Then a reply.delta
that comes while the delta before it is still waiting is added to it: a client that keeps up gets every change and
every piece by itself, one that doesn't gets the newest change, and fewer and longer pieces of the same text. All of it
happens before a number is given out, and what is merged or replaced keeps the number of the first, so numbers have no
gaps, and what has a number is the same whenever it is sent.
"""

from collections import deque
from typing import Any, NamedTuple

from bridge.codec import Codec, Frame
from bridge.protocol import AnyAnswer, LogLine, NpcChanged, ReplyDelta, Stats

# What a message costs beyond its text: its frame, its place in the queue. A guess on the high side.
OVERHEAD = 200

# Merging stops here, well below what common WebSocket clients take as one message.
_LARGEST_MERGE = 32 * 1024

# Beyond this share of what may wait, the client is slow enough to do without stats and log lines.
_BUSY = 0.25

_Subject = tuple[object, ...]


class Outgoing(NamedTuple):
    """A message as it goes over the wire. ``seq`` is its number in the session; None if it is none of its messages."""

    frame: Frame
    seq: int | None


class _Waiting:
    """One message that waits.

    A later one about the same ``subject`` may be merged into it or replace it. ``plain`` is that of a delta, and
    ``pieces`` has the texts that were merged into it.
    """

    __slots__ = ("frame", "pieces", "plain", "seq", "size", "subject")

    def __init__(self, frame: Frame, seq: int | None, plain: dict[str, Any] | None, subject: _Subject | None) -> None:
        self.frame = frame
        self.seq = seq
        self.plain = plain
        self.pieces: list[str] = []
        self.subject = subject
        self.size = len(frame) + OVERHEAD


class Outbox:
    """The messages on their way to one client.

    The caller must look at ``full`` after every ``put`` and stop waiting for the client when it is: nothing here
    blocks, and nothing but stats and log lines is dropped. ``codec`` may be set once it is known; nothing can be put
    before.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self._largest_merge = min(_LARGEST_MERGE, max_bytes // 4)
        self.codec: Codec | None = None
        self.bytes = 0
        self.newest = 0  # the last number that was given out
        self._waiting: deque[_Waiting] = deque()
        # What waits and a later message about the same may join: of a reply the last thing, while that is a delta.
        self._joinable: dict[_Subject, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether more waits than may: the client doesn't read. One message alone is never too much."""
        return len(self._waiting) > 1 and (len(self._waiting) > self.max_messages or self.bytes > self.max_bytes)

    def put(self, message: AnyAnswer, *, numbered: bool = True) -> None:
        """Append ``message``; ``numbered`` messages get the session's next ``seq``. Raises CodecError."""
        subject = _subject(message)
        earlier = self._joinable.get(subject) if subject is not None else None
        match message:
            case LogLine() if self._busy:
                return
            case Stats(re=None) if self._busy or earlier is not None:
                return
            case NpcChanged() if earlier is not None:
                self._replace(earlier, message)
                return
            case ReplyDelta() if earlier is not None and earlier.size < self._largest_merge:
                self._merge(earlier, message.text)
                return
        self._append(message, subject, numbered=numbered)

    def take(self) -> Outgoing | None:
        """Remove the next message and return it; None if nothing waits."""
        if not self._waiting:
            return None
        waiting = self._waiting.popleft()
        self.bytes -= waiting.size
        if waiting.subject is not None and self._joinable.get(waiting.subject) is waiting:
            del self._joinable[waiting.subject]
        return Outgoing(self._frame(waiting), waiting.seq)

    def clear(self) -> None:
        """Drop all that waits."""
        self._waiting.clear()
        self._joinable.clear()
        self.bytes = 0

    @property
    def _busy(self) -> bool:
        return len(self._waiting) > _BUSY * self.max_messages or self.bytes > _BUSY * self.max_bytes

    def _append(self, message: AnyAnswer, subject: _Subject | None, *, numbered: bool) -> None:
        assert self.codec is not None
        plain = message.to_wire()
        if numbered:
            plain["seq"] = self.newest + 1
        frame = self.codec.encode(plain)
        self.newest += numbered
        waiting = _Waiting(frame, plain.get("seq"), plain if isinstance(message, ReplyDelta) else None, subject)
        self._waiting.append(waiting)
        self.bytes += waiting.size
        if subject is None:
            return
        if isinstance(message, ReplyDelta | NpcChanged | Stats):
            self._joinable[subject] = waiting
        else:
            self._joinable.pop(subject, None)

    def _frame(self, waiting: _Waiting) -> Frame:
        if waiting.plain is None or not waiting.pieces:
            return waiting.frame
        assert self.codec is not None
        return self.codec.encode({**waiting.plain, "text": waiting.plain["text"] + "".join(waiting.pieces)})

    def _replace(self, earlier: _Waiting, message: AnyAnswer) -> None:
        assert self.codec is not None
        frame = self.codec.encode({**message.to_wire(), "seq": earlier.seq})
        grown = len(frame) - len(earlier.frame)
        earlier.frame = frame
        earlier.size += grown
        self.bytes += grown

    def _merge(self, tail: _Waiting, text: str) -> None:
        assert self.codec is not None
        size = len(self.codec.encode({"text": text}))
        tail.pieces.append(text)
        tail.size += size
        self.bytes += size


def _subject(message: AnyAnswer) -> _Subject | None:
    """What ``message`` is about, as far as a later one about the same may join it, or no longer may."""
    match message:
        case NpcChanged():
            return "npc.changed", message.npc
        case Stats(re=None):
            return ("stats",)
    npc = getattr(message, "npc", None)
    return None if npc is None else ("reply", message.re, npc)
