"""The sessions of one server, by id: which of them a client may come back to, and for how long. Without a clock."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from bridge.session import Session
from bridge.states import State


class Holder(Protocol):
    """Whatever a driver keeps for a session."""

    @property
    def session(self) -> Session:
        """The session that it is kept for."""
        ...


H = TypeVar("H", bound=Holder)


class Sessions(Generic[H]):
    """Holders by the id of their session. A session waits ``window`` seconds for a client that was cut off.

    At most ``most`` sessions wait; of more, those that have waited longest are over.
    """

    def __init__(self, window: float, most: int) -> None:
        self.window = window
        self.most = most
        self._holders: dict[str, H] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def __iter__(self) -> Iterator[H]:
        return iter(tuple(self._holders.values()))

    def add(self, holder: H) -> None:
        """Know ``holder`` until it is discarded or expires."""
        assert holder.session.id not in self._holders
        self._holders[holder.session.id] = holder

    def discard(self, holder: H) -> None:
        """Know ``holder`` no longer. Harmless when repeated."""
        self._holders.pop(holder.session.id, None)

    def find(self, id: str, now: float) -> H | None:
        """The holder of the session ``id``, whether it waits for its client or still seems to have it."""
        holder = self._holders.get(id)
        return None if holder is None or self._is_over(holder.session, now) else holder

    def expire(self, now: float) -> list[H]:
        """Take out those that are over, for their driver to end, and have all others let go of what has arrived."""
        over = [holder for holder in self if self._is_over(holder.session, now)]
        waiting = [holder for holder in self if holder.session.state is State.DETACHED and holder not in over]
        waiting.sort(key=lambda holder: holder.session.detached_at or 0.0)
        over += waiting[: max(0, len(waiting) - self.most)]
        for holder in over:
            self.discard(holder)
        for holder in self:
            holder.session.tidy(now)
        return over

    def _is_over(self, session: Session, now: float) -> bool:
        if session.state is not State.DETACHED:
            return session.state is State.CLOSED
        assert session.detached_at is not None
        return now - session.detached_at >= self.window
