"""What a game says and is told: JSON text with ``command``, ``game`` and ``data``.

The protocol knows no errors: what is wrong is written to the log, and the message is ignored.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, TypeAdapter, ValidationError

from bridge.protocol.base import is_unicode
from bridge.protocol.explain import join_path

MAX_ACTIONS = 256

Name = Annotated[StrictStr, Field(min_length=1, max_length=128)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Action(_Data):
    """Something that the game lets the persona do; ``parameters`` is the JSON Schema of its data, if it takes any."""

    name: Name
    description: StrictStr = ""
    parameters: dict[str, Any] | None = Field(None, alias="schema")

    @property
    def takes_data(self) -> bool:
        """Whether the game wants more than the name."""
        return bool(self.parameters)


class ContextData(_Data):
    """Something that happens. Not silent: the persona may do something about it."""

    message: StrictStr
    silent: StrictBool = True


class RegisterData(_Data):
    """More that can be done."""

    actions: list[Action] = Field(max_length=MAX_ACTIONS)


class UnregisterData(_Data):
    """What can't be done any more."""

    action_names: list[StrictStr]


class ForceData(_Data):
    """The persona has to do one of these now. ``ephemeral_context``: and need not remember why."""

    query: StrictStr
    action_names: list[StrictStr]
    state: StrictStr | None = None
    ephemeral_context: StrictBool | None = None
    priority: Literal["low", "medium", "high", "critical"] | None = None


class ResultData(_Data):
    """What came of an action."""

    id: StrictStr
    success: StrictBool
    message: StrictStr | None = None


class _Message(_Data):
    game: Name


class Startup(_Message):
    """The game begins; nothing is registered."""

    command: Literal["startup"]


class Context(_Message):
    command: Literal["context"]
    data: ContextData


class Register(_Message):
    command: Literal["actions/register"]
    data: RegisterData


class Unregister(_Message):
    command: Literal["actions/unregister"]
    data: UnregisterData


class ForceActions(_Message):
    command: Literal["actions/force"]
    data: ForceData


class Result(_Message):
    command: Literal["action/result"]
    data: ResultData


Message = Startup | Context | Register | Unregister | ForceActions | Result

_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="command")])


class BadMessage(Exception):
    """A frame is no message of the protocol; the text says where and why."""


def read(frame: str | bytes) -> Message:
    """What a game sent. Text is right; UTF-8 in a binary frame is taken, too. Raises BadMessage, and nothing else."""
    try:
        plain = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"this is not JSON: {error}") from None
    try:
        message = _MESSAGE.validate_python(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = join_path(first["loc"][1:])  # behind the command
        raise BadMessage(f"`{where}`: {first['msg']}" if where else first["msg"]) from None
    if not is_unicode(json.dumps(plain, ensure_ascii=False)):
        raise BadMessage("half of a surrogate pair, which is no character")
    return message


def write_action(id: str, name: str, data: Mapping[str, Any] | None) -> str:
    """The message that has the game do something; its ``data`` is JSON in a string."""
    call: dict[str, Any] = {"id": id, "name": name}
    if data is not None:
        call["data"] = json.dumps(data, ensure_ascii=False)
    return json.dumps({"command": "action", "data": call}, ensure_ascii=False)
