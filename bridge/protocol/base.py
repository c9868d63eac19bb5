"""What every message is made of.

Numbers arrive from languages that know one kind of them: JavaScript writes 1.0 as the integer 1, Lua's JSON writes the
integer 1 as 1.0. Either is accepted where it is exactly the number that is meant. Nothing else is converted: a string
is no number, a number is no truth value.
"""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

VERSION = 1
"""The version of the protocol that this package speaks."""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
"""Integers beyond these fit neither msgpack nor most clients' languages."""


def is_unicode(text: str) -> bool:
    """Whether ``text`` can be written as UTF-8: JSON can spell half of a surrogate pair, which can't."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integral(value: Any) -> Any:
    """Turn 3.0 into 3 and leave everything else to be judged by the field."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _string_or_integer(value: Any) -> Any:
    value = _integral(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("request_id", "expected a string or an integer")
    if isinstance(value, str) and not (1 <= len(value) <= 128 and is_unicode(value)):
        raise PydanticCustomError("request_id", "expected a string of 1 to 128 characters or an integer")
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        raise PydanticCustomError("request_id", "expected an integer of at most 64 bits or a string")
    return value


def _fact(value: Any) -> Any:
    value = _integral(value)
    if value is None or isinstance(value, bool | str | float):
        return value
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise PydanticCustomError("fact", "expected a string, a number, true or false, a list of strings, or null")


def _json(value: Any) -> Any:
    if not _is_json(value):
        raise PydanticCustomError("json", "expected what JSON can say, without binary data")
    return value


def _is_json(value: Any) -> bool:
    # Pydantic would see it too, but puts names of its own into the path.
    if isinstance(value, dict):
        return all(_is_json(inner) for inner in value.values())
    if isinstance(value, list):
        return all(_is_json(inner) for inner in value)
    return value is None or isinstance(value, bool | int | float | str)


def _not_blank(text: str) -> str:
    if text and not text.strip():
        raise PydanticCustomError("blank", "expected more than white space")
    return text


Integer = Annotated[int, BeforeValidator(_integral)]
RequestId = Annotated[
    StrictInt | StrictStr,
    BeforeValidator(_string_or_integer),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": INT64_MIN, "maximum": INT64_MAX},
                {"type": "string", "minLength": 1, "maxLength": 128},
            ]
        }
    ),
]
NpcId = Annotated[str, Field(min_length=1, max_length=128)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Words = Annotated[str, Field(min_length=1), AfterValidator(_not_blank)]
Fact = Annotated[str | int | float | bool | list[str] | None, BeforeValidator(_fact)]
Json = Annotated[JsonValue, BeforeValidator(_json)]


class Part(BaseModel):
    """A piece of a message. Unknown fields are ignored, so that old and new ends understand each other."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class Message(Part):
    """Anything that travels. ``type`` tells which message it is."""

    type: str = Field(description="which message it is")

    def to_wire(self) -> dict[str, Any]:
        """The message as plain maps, lists, strings and numbers; fields that are not set are left out."""
        return self.model_dump(exclude_none=True)
