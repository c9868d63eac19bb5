"""What NPCs can do in a game, as the game describes it."""

from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.protocol.base import Json, Name, NpcId, Part, Words

_NAME_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/")


def _action_name(name: str) -> str:
    if not _NAME_SIGNS.issuperset(name):
        raise PydanticCustomError("action_name", "expected letters from a to z, digits and _ - . : / only")
    return name


ActionName = Annotated[
    str,
    Field(min_length=1, max_length=64, json_schema_extra={"pattern": "^[A-Za-z0-9_.:/-]+$"}),
    AfterValidator(_action_name),
]
JsonSchema = dict[str, Json]


class Action(Part):
    """Something that an NPC can do. The arguments that the game gets are as ``schema`` says, always."""

    name: ActionName = Field(description="the action's name, such as 'give_item'")
    description: Words = Field(description="what it does and when to do it, for the NPC to read", max_length=1024)
    json_schema: JsonSchema | None = Field(
        None, alias="schema", description="a JSON Schema of its arguments, an object; without one it takes none"
    )


class Scope(Part):
    """Whom actions are for: one NPC, all of one persona, or all. Names exactly one of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["npc"]},
                {"required": ["persona"]},
                {"required": ["all"], "properties": {"all": {"const": True}}},
            ]
        }
    )

    npc: NpcId | None = Field(None, description="the id of one NPC")
    persona: Name | None = Field(None, description="the id of a persona: all NPCs that have it")
    all: bool | None = Field(None, description="true: all NPCs")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.npc is not None) + (self.persona is not None) + bool(self.all) != 1:
            raise PydanticCustomError("scope", "expected exactly one of `npc`, `persona` and `all`: true")
        return self
