"""From a tree to a model, with every complaint in a designer's words and at its place."""

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from npc_engine.persona.document import Node, describe
from npc_engine.persona.problem import Mark, Problem, nearest

M = TypeVar("M", bound=BaseModel)

_EXPECTED = {
    "string_type": ("text", "put it in quotes"),
    "int_type": ("a whole number", "write a whole number"),
    "int_from_float": ("a whole number", "no fraction"),
    "float_type": ("a number", "write a number"),
    "bool_type": ("true or false", "write true or false"),
    "tuple_type": ("a list", "write [one, two], or lines that start with '- '"),
    "mapping_type": ("a map", "write lines of 'key: value' below it"),
    "dict_type": ("a map", "write lines of 'key: value' below it"),
    "model_type": ("a map", "write lines of 'key: value' below it"),
    "finite_number": ("a number", "infinity is none"),
}
_BARE = {"int_type", "float_type", "bool_type"}


def validate(node: Node, model: type[M], *, complete: bool = True) -> tuple[M | None, list[Problem]]:
    """Make a ``model`` of ``node``, or None and the problems.

    ``complete`` is false where a part of the tree could not be read (a broken parent): missing keys at
    the top then go unreported.
    """
    try:
        return model.model_validate(node.plain()), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        # What is missing at the top may stand in the parent that could not be read.
        known = [d for d in details if complete or d["type"] != "missing" or len(d["loc"]) > 1]
        return None, [_problem(node, model, d) for d in known]


def _problem(root: Node, model: type[BaseModel], details: ErrorDetails) -> Problem:
    loc = [part for part in details["loc"] if part != "[key]"]
    key, kind = _path(loc), details["type"]
    value, key_mark = _place(root, loc)
    value_mark = value.mark
    if kind == "missing":
        return Problem.at(value_mark, key, "is missing", f"add '{loc[-1]}: ...'")
    if kind == "extra_forbidden":
        if details["input"] is None and " " in str(loc[-1]):
            hint = "a comma splits {...}: put the text that holds it in quotes"
            return Problem.at(key_mark, key, "text after a comma became a key", hint)
        holder = _model_at(model, loc[:-1])
        return Problem.at(key_mark, key, "unknown key", nearest(str(loc[-1]), holder.model_fields if holder else ()))
    found, context = details["input"], details.get("ctx", {})
    if found is None:
        wanted = _EXPECTED.get(kind, ("a value", ""))[0]
        return Problem.at(key_mark, key, f"is empty; expected {wanted}", "write a value, or remove the key")
    if kind in _EXPECTED:
        wanted, hint = _EXPECTED[kind]
        if kind == "string_type" and not isinstance(found, bool | int | float):
            hint = "one text; text that starts with { or [ needs quotes"
        elif kind in _BARE and value.raw.startswith(('"', "'")):
            hint = "no quotes"
        return Problem.at(value_mark, key, f"expected {wanted}, found {describe(found)}", hint)
    match kind:
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
            limits = ", ".join(f"{words[name]} {limit:g}" for name, limit in context.items() if name in words)
            return Problem.at(value_mark, key, f"is out of range: {found}", limits)
        case "literal_error":
            return Problem.at(value_mark, key, f"can't be {describe(found)}", f"one of {context['expected']}")
        case "string_too_short":
            return Problem.at(value_mark, key, "is empty", "write something, or remove the key")
        case "too_short":
            return Problem.at(value_mark, key, "is an empty list", "name at least one")
        case "string_pattern_mismatch" if details["loc"][-1:] == ("[key]",):
            return Problem.at(key_mark, key, "is no name for a variable", "small letters, digits and _")
        case "string_pattern_mismatch":
            return Problem.at(value_mark, key, f"can't read the condition {found!r}", 'write it as ">= 3"')
        case "value_error":
            message, _, hint = str(context["error"]).partition(": ")
            return Problem.at(value_mark, key, message, hint)
        case _:
            return Problem.at(value_mark, key, details["msg"])


def _path(loc: Sequence[int | str]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _place(root: Node, loc: Sequence[int | str]) -> tuple[Node, Mark]:
    """The value and the mark of its key, as deep as the tree goes along ``loc``."""
    node, key_mark = root, root.mark
    for part in loc:
        if isinstance(part, int) and isinstance(node.value, tuple) and part < len(node.value):
            node = node.value[part]
            key_mark = node.mark
        elif isinstance(part, str) and part in node.entries():
            key_mark, node = node.entries()[part]
        else:
            break
    return node, key_mark


def _model_at(model: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel] | None:
    """The model that describes the map at ``loc``."""
    current: Any = model
    for part in loc:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else None
        else:
            current = _element(current)
        current = _without_none(current)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _element(annotation: Any) -> Any:
    arguments = typing.get_args(annotation)
    if not arguments:
        return None
    return arguments[1] if typing.get_origin(annotation) in {dict, Mapping} else arguments[0]


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next(arg for arg in typing.get_args(annotation) if arg is not types.NoneType)
    return annotation
