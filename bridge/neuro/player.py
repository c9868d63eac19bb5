"""The persona that plays: what it learns, and what it decides."""

import logging
from dataclasses import replace
from typing import Any, Protocol

from bridge.neuro.game import Choice, Decide
from bridge.neuro.messages import Action
from npc_engine.errors import LimitExceeded, NpcEngineError, SchemaUnsupported
from npc_engine.mind.actions import Action as Offered
from npc_engine.world.events import Happening
from npc_engine.world.world import World

logger = logging.getLogger(__name__)

_NOTHING = "nothing"


class Player(Protocol):
    """Whoever plays a game."""

    async def remember(self, text: str) -> None:
        """Learn ``text``. Never raises for what the game has sent."""
        ...

    async def choose(self, decision: Decide) -> Choice | None:
        """One of the decision's actions, with data that its schema allows. None if it may pass and does, or can't."""
        ...


class WorldPlayer:
    """The NPC ``npc`` of a world, which must be spawned."""

    def __init__(self, world: World, npc: str) -> None:
        self._world, self._npc = world, npc

    async def remember(self, text: str) -> None:
        """See Player."""
        try:
            async for _ in self._world.happen(Happening((self._npc,), text)):
                pass
        except LimitExceeded as error:
            logger.warning("%s is not told what is too long for it: %s", self._npc, error)

    async def choose(self, decision: Decide) -> Choice | None:
        """See Player. A state that is too long for the persona loses its beginning."""
        possible = [action for action in decision.actions if await self._can(action)]
        decision = replace(decision, actions=tuple(possible))
        try:
            while possible:
                try:
                    chosen = await self._world.decide(self._npc, _question(decision), schema_of(decision))
                except LimitExceeded:
                    if not decision.state:
                        raise
                    decision = replace(decision, state=decision.state[(len(decision.state) + 1) // 2 :])
                else:
                    return choice_of(decision, chosen)
        except NpcEngineError as error:
            logger.error("%s can't choose an action: %s", self._npc, error)
        return None

    async def _can(self, action: Action) -> bool:
        """Whether its data can be held to its schema."""
        if not action.takes_data:
            return True
        schema = _without_unique(action.parameters)
        try:
            await self._world.check_action(Offered(action.name, action.description, schema))
        except SchemaUnsupported as error:
            logger.warning("%s can't do %r: `%s`: %s", self._npc, action.name, error.path, error)
            return False
        return True


def schema_of(decision: Decide) -> dict[str, Any]:
    """What an answer looks like: the name of one action, and its data if it takes any."""
    branches: list[dict[str, Any]] = []
    for action in decision.actions:
        properties: dict[str, Any] = {"action": {"const": action.name}}
        if action.takes_data:
            properties["data"] = _without_unique(action.parameters)
        branches.append({"type": "object", "properties": properties, "required": list(properties)})
    if decision.may_pass:
        branches.append({"type": "object", "properties": {"action": {"const": _NOTHING}}, "required": ["action"]})
    return branches[0] if len(branches) == 1 else {"anyOf": branches}


def choice_of(decision: Decide, chosen: Any) -> Choice | None:
    """The choice that an answer of ``schema_of`` stands for."""
    action = next((action for action in decision.actions if action.name == chosen["action"]), None)
    return None if action is None else Choice(action, chosen.get("data"))


def _without_unique(schema: Any) -> Any:
    """``schema`` without ``uniqueItems``, which no grammar can keep to: the game refuses what it does not like."""
    if isinstance(schema, list):
        return [_without_unique(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_unique(part) for key, part in schema.items() if key != "uniqueItems"}


def _question(decision: Decide) -> str:
    """The question as the persona hears it, with everything that can be done."""
    offers = "; ".join(f"{action.name}: {action.description}" for action in decision.actions)
    return " ".join(part for part in (decision.state, decision.question, f"You can do one of these. {offers}") if part)
