"""From a decoded map to a message, or to an error that says why not."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from bridge.protocol.answers import AnyAnswer, Error
from bridge.protocol.base import Message, RequestId
from bridge.protocol.explain import describe, explain
from bridge.protocol.requests import AnyRequest, Request


def _by_type(union: Any) -> dict[str, Any]:
    return {model.model_fields["type"].default: model for model in get_args(union)}


REQUEST_TYPES: Mapping[str, type[Request]] = _by_type(AnyRequest)
"""Every message that a client may send, by its ``type``."""

ANSWER_TYPES: Mapping[str, type[Message]] = _by_type(AnyAnswer)
"""Every message that a server may send, by its ``type``."""

_REQUEST_ID: TypeAdapter[int | str] = TypeAdapter(RequestId)


def read_request(plain: Mapping[str, Any]) -> AnyRequest | Error:
    """Check what a client sent. Returns the error to send back where it is no message of this protocol."""
    re = read_id(plain)
    name = plain.get("type")
    if not isinstance(name, str):
        if "type" not in plain:
            problem = "`type` is missing; every message names its type, such as 'say'."
        else:
            problem = f"`type`: expected a string, got {describe(name)}."
        return Error(re=re, code="bad_message", message=problem, path="type")
    model = REQUEST_TYPES.get(name)
    if model is None:
        near = difflib.get_close_matches(name[:64], REQUEST_TYPES, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"This server takes {', '.join(REQUEST_TYPES)}."
        return Error(re=re, code="unknown_type", message=f"`type`: {describe(name)} is unknown. {hint}", path="type")
    try:
        return model.model_validate(plain)  # type: ignore[return-value]
    except ValidationError as error:
        path, message = explain(model, error)
        return Error(re=re, code="bad_message", message=message, path=path or None)


def read_answer(plain: Mapping[str, Any]) -> AnyAnswer | None:
    """Check what a server sent. Returns None for a type that this version doesn't know; such messages are ignored.

    Raises pydantic's ValidationError when a known message is malformed.
    """
    model = ANSWER_TYPES.get(str(plain.get("type")))
    return None if model is None else model.model_validate(plain)  # type: ignore[return-value]


def read_id(plain: Mapping[str, Any]) -> int | str | None:
    """The ``id`` of what may be an otherwise broken message, if that at least is right."""
    if plain.get("id") is None:
        return None
    try:
        return _REQUEST_ID.validate_python(plain["id"])
    except ValidationError:
        return None
