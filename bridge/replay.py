"""What was sent to a client and may not have arrived: kept, so that it can be sent again on another connection.

A client says what it has when it comes back, and never before. So messages are kept until the caller lets go of them:
the oldest of too many, and those that were sent so long ago that a lost connection would have been noticed since.
"""

from collections import deque
from typing import NamedTuple

from bridge.codec import Codec, Frame, recoded
from bridge.outbox import OVERHEAD


class _Sent(NamedTuple):
    seq: int
    frame: Frame
    at: float

    @property
    def size(self) -> int:
        return len(self.frame) + OVERHEAD


class Replay:
    """The messages of one session from the first that may be missing to the last that was sent, in order.

    ``rewind`` marks those that have to be sent again; ``take`` gives them, one by one. ``bytes`` is what they cost.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._sent: deque[_Sent] = deque()
        self._again: deque[_Sent] = deque()
        self._dropped = 0  # the newest that is not kept any more
        self._newest = 0

    def __len__(self) -> int:
        return len(self._sent) + len(self._again)

    def add(self, seq: int, frame: Frame, now: float) -> None:
        """``frame`` is sent, for the first time."""
        assert seq == self._newest + 1
        assert not self._again, "what has to be sent again goes first"
        self._newest = seq
        self._keep(_Sent(seq, frame, now))

    def owe(self, seq: int, frame: Frame) -> None:
        """``frame`` could not be sent so far, and has to be sent after what has to be sent again."""
        assert seq == self._newest + 1
        self._newest = seq
        owed = _Sent(seq, frame, 0.0)
        self._again.append(owed)
        self.bytes += owed.size

    def reaches(self, last_seq: int) -> bool:
        """Whether everything that was sent after ``last_seq`` is kept, and that was sent at all."""
        return self._dropped <= last_seq <= self._newest

    def rewind(self, last_seq: int) -> None:
        """What was sent after ``last_seq`` has to be sent again; what was sent up to it has arrived."""
        assert self.reaches(last_seq)
        kept = [*self._sent, *self._again]
        self._sent.clear()
        self._again = deque(sent for sent in kept if sent.seq > last_seq)
        self._dropped = last_seq
        self.bytes = sum(sent.size for sent in self._again)

    def take(self, now: float) -> Frame | None:
        """The next message to be sent again; None when there are no more."""
        if not self._again:
            return None
        sent = self._again.popleft()
        self.bytes -= sent.size
        self._keep(sent._replace(at=now))
        return sent.frame

    def drop_oldest(self) -> bool:
        """Let go of the oldest message that was sent. False if there is none: the others have not been, lately."""
        if not self._sent:
            return False
        oldest = self._sent.popleft()
        self._dropped = oldest.seq
        self.bytes -= oldest.size
        return True

    def drop_sent_before(self, then: float) -> None:
        """Let go of what was sent before ``then``."""
        while self._sent and self._sent[0].at < then:
            self.drop_oldest()

    def recode(self, old: Codec, new: Codec) -> None:
        """The client comes back with another codec. Call after ``rewind``."""
        assert not self._sent
        self._again = deque(sent._replace(frame=recoded(sent.frame, old, new)) for sent in self._again)
        self.bytes = sum(sent.size for sent in self._again)

    def clear(self) -> None:
        """Keep nothing; nothing can be sent again."""
        self._sent.clear()
        self._again.clear()
        self._dropped = self._newest
        self.bytes = 0

    def _keep(self, sent: _Sent) -> None:
        self._sent.append(sent)
        self.bytes += sent.size
