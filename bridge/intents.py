"""What a session wants done: its driver does it."""

from dataclasses import dataclass

from bridge.codec import Frame
from bridge.protocol import AnyRequest, Hello, Topic

# Close codes of RFC 6455 and its registry.
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013
GOING_AWAY = 1001

TAKEN_OVER = 4001
"""Of this protocol: another connection goes on with the session. Whoever is told so has nothing to reconnect to."""


@dataclass(frozen=True, slots=True)
class Start:
    """Run ``request``, post its answers, and call ``finish`` with its id when there are no more.

    It begins once the open requests ``after`` have finished: they decide whether its NPCs are there at all.
    """

    request: AnyRequest
    id: int | str
    after: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """Cancel the open request ``id``; its own answers say how it ended."""

    id: int | str


@dataclass(frozen=True, slots=True)
class Watch:
    """Post what there is to say about ``topics`` from now on, and about no others."""

    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True)
class Return:
    """Go on with the session that ``hello.resume`` names, if that can be; if not, call ``begin`` with ``hello``."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class HangUp:
    """The session is over: cancel what is open, send what ``next_frame`` has, then close with ``code``."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """The connection is over and the session is not: send ``bye``, then close with ``code``."""

    code: int
    reason: str
    bye: Frame


Ending = HangUp | Part
Intent = Start | Stop | Watch | Return | Ending
