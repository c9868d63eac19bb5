"""The states of a session: what leads from one to the next, what each takes, and what it says to all else."""

import enum
from collections.abc import Mapping

from bridge.protocol import REQUEST_TYPES, ErrorCode


class State(enum.Enum):
    """Where a session stands."""

    GREETING = enum.auto()
    READY = enum.auto()
    DETACHED = enum.auto()
    DRAINING = enum.auto()
    CLOSED = enum.auto()


class Step(enum.Enum):
    """What moves a session on."""

    WELCOMED = enum.auto()
    DETACH = enum.auto()
    ATTACH = enum.auto()
    DRAIN = enum.auto()
    HANG_UP = enum.auto()


TRANSITIONS: Mapping[State, Mapping[Step, State]] = {
    State.GREETING: {
        Step.WELCOMED: State.READY,
        Step.DETACH: State.CLOSED,
        Step.DRAIN: State.DRAINING,
        Step.HANG_UP: State.CLOSED,
    },
    State.READY: {Step.DETACH: State.DETACHED, Step.DRAIN: State.DRAINING, Step.HANG_UP: State.CLOSED},
    State.DETACHED: {Step.ATTACH: State.READY, Step.DRAIN: State.CLOSED, Step.HANG_UP: State.CLOSED},
    State.DRAINING: {Step.DETACH: State.CLOSED, Step.DRAIN: State.DRAINING, Step.HANG_UP: State.CLOSED},
    State.CLOSED: {Step.DETACH: State.CLOSED, Step.DRAIN: State.CLOSED, Step.HANG_UP: State.CLOSED},
}

TAKES: Mapping[State, frozenset[str]] = {
    State.GREETING: frozenset({"hello"}),
    State.READY: frozenset(REQUEST_TYPES) - {"hello"},
    State.DETACHED: frozenset(),
    State.DRAINING: frozenset({"cancel", "ping"}),
    State.CLOSED: frozenset(),
}

REFUSALS: Mapping[State, tuple[ErrorCode, str]] = {
    State.GREETING: ("bad_message", "`type`: the first message of a connection is 'hello'."),
    State.READY: ("bad_message", "`type`: 'hello' comes once per connection."),
    State.DRAINING: ("overloaded", "The server is shutting down; connect again in a moment."),
}
