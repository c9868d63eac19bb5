"""One game that a persona plays, without sockets and without minds.

The driver feeds ``receive`` with messages and asks ``next`` what is to be done: ``Remember`` something, ``Decide`` on
an action, or nothing until more is received. After a decision it calls ``decided``, and sends what comes back. While a
decision is being made more may be received; ``is_stale`` says when that has made it pointless.

One action is under way at a time: until its result is there nothing else is decided. A forced action comes before one
that is not, and is tried again when the game refuses it. A second force waits for the first.
"""

import itertools
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.neuro.messages import (
    MAX_ACTIONS,
    Action,
    Context,
    ForceActions,
    ForceData,
    Message,
    Register,
    Result,
    Startup,
    Unregister,
    write_action,
)
from npc_engine.mind.actions import Deed

logger = logging.getLogger(__name__)

MAX_TRIES = 30
"""How often a forced action is tried that the game refuses: a game that refuses everything would be asked for ever."""

_ASIDE = "Something has happened. Will you do something about it?"


@dataclass(frozen=True, slots=True)
class Remember:
    """The persona learns this."""

    text: str


@dataclass(frozen=True, slots=True)
class Decide:
    """Choose one of ``actions``; none of them only where it ``may_pass``. ``state`` is for this decision only."""

    actions: tuple[Action, ...]
    question: str
    state: str = ""
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """An action, and data that its schema allows."""

    action: Action
    data: Mapping[str, Any] | None = None

    @property
    def told(self) -> str:
        """The choice in words."""
        return Deed(self.action.name, self.data or {}).told


@dataclass(slots=True)
class _Force:
    data: ForceData
    tries: int = 0


@dataclass(frozen=True, slots=True)
class _Call:
    """An action that the game was told, in words too, and the force that it was for, if any."""

    id: str
    told: str
    force: _Force | None


class Game:
    """The game's side of things: what is registered, what is forced, what is under way."""

    def __init__(self) -> None:
        self.name = ""
        self._actions: dict[str, Action] = {}
        self._memories: deque[str] = deque()
        self._force: _Force | None = None
        self._next_force: _Force | None = None
        self._prompted = False
        self._call: _Call | None = None
        self._numbers = itertools.count(1)

    @property
    def actions(self) -> Sequence[str]:
        """The names of what is registered."""
        return tuple(self._actions)

    @property
    def backlog(self) -> int:
        """How much there is to remember first."""
        return len(self._memories)

    def receive(self, message: Message) -> None:
        """Take one message from the game."""
        self.name = message.game
        match message:
            case Startup():
                self._actions.clear()
                self._force = self._next_force = self._call = None
                self._prompted = False
            case Context(data=data):
                self._learn(data.message)
                self._prompted |= not data.silent
            case Register(data=data):
                self._register(data.actions)
            case Unregister(data=data):
                for name in data.action_names:
                    self._actions.pop(name, None)
            case ForceActions(data=data):
                self._take_force(_Force(data))
            case Result(data=data):
                self._take_result(data.id, data.message or "", success=data.success)

    def next(self) -> Remember | Decide | None:
        """What is to be done now. A decision stays due until it is ``decided``."""
        if self._memories:
            return Remember(self._memories.popleft())
        if self._call is not None:
            return None
        if self._force is not None:
            if actions := self._forced(self._force):
                data = self._force.data
                return Decide(actions, data.query, (data.state or "") if data.ephemeral_context else "")
            logger.warning("%s: nothing of what it forces is registered: %s", self.name, self._force.data.action_names)
            self._end_force()
            return self.next()
        if self._prompted and self._actions:
            return Decide(tuple(self._actions.values()), _ASIDE, may_pass=True)
        self._prompted = False
        return None

    def is_stale(self, decision: Decide) -> bool:
        """Whether ``decision`` is not what is to be decided any more."""
        if self._call is not None:
            return True
        if self._force is not None:
            return decision.may_pass or decision.actions != self._forced(self._force)
        return not decision.may_pass or not self._prompted or not self._actions

    def decided(self, decision: Decide, choice: Choice | None) -> str | None:
        """Take the ``choice`` (None: to do nothing, or none could be made); the message to send for it, if any.

        A choice that is not there any more is dropped, and ``next`` asks again.
        """
        if self.is_stale(decision):
            return None
        if choice is None:
            if self._force is not None:
                logger.error("%s: the forced action could not be decided on", self.name)
                self._end_force()
            self._prompted = False
            return None
        if self._actions.get(choice.action.name) != choice.action:
            return None
        self._prompted = False
        self._call = _Call(f"a{next(self._numbers)}", choice.told, self._force)
        if self._force is not None:
            self._force.tries += 1
        return write_action(self._call.id, choice.action.name, choice.data)

    def _learn(self, text: str) -> None:
        if text.strip():
            self._memories.append(text)

    def _register(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if len(self._actions) < MAX_ACTIONS:
                self._actions.setdefault(action.name, action)
            elif action.name not in self._actions:
                logger.warning("%s: more than %d actions; %r is left out", self.name, MAX_ACTIONS, action.name)

    def _take_force(self, force: _Force) -> None:
        if self._force is not None:
            if self._next_force is not None:
                logger.warning("%s: a third force at once; the second is dropped", self.name)
            self._next_force = force
            return
        self._begin_force(force)

    def _begin_force(self, force: _Force) -> None:
        self._force = force
        if not force.data.ephemeral_context:
            self._learn(" ".join(part for part in (force.data.state, force.data.query) if part))

    def _end_force(self) -> None:
        self._force, waiting = None, self._next_force
        self._next_force = None
        if waiting is not None:
            self._begin_force(waiting)

    def _take_result(self, id: str, message: str, *, success: bool) -> None:
        call = self._call
        if call is None or call.id != id:
            logger.warning("%s: a result of %r, which is not under way", self.name, id)
            return
        self._call = None
        self._learn(f"You did this: {call.told}. It {'worked' if success else 'failed'}. {message}".strip())
        if call.force is None or call.force is not self._force:
            return
        if success:
            self._end_force()
        elif self._force.tries >= MAX_TRIES:
            logger.warning("%s: refused %d times; the force is given up", self.name, MAX_TRIES)
            self._end_force()

    def _forced(self, force: _Force) -> tuple[Action, ...]:
        names = dict.fromkeys(force.data.action_names)
        return tuple(self._actions[name] for name in names if name in self._actions)
