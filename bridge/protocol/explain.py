"""Turns pydantic's errors into one sentence that a modder can act on: where, what was wrong, what would be right."""

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

_NAMES: Sequence[tuple[type, str]] = (
    (bool, "a truth value"),
    (int, "an integer"),
    (float, "a number"),
    (str, "a string"),
    (bytes, "binary data"),
    (Mapping, "a map"),
    (Sequence, "a list"),
)

_KEY = "[key]"
"""What pydantic adds to the path of a map's value where it means its key."""

_EXPECTED: Mapping[str, str] = {
    "bool_type": "expected true or false",
    "dict_type": "expected a map",
    "finite_number": "expected a finite number",
    "float_type": "expected a number",
    "int_type": "expected an integer",
    "list_type": "expected a list",
    "literal_error": "expected {expected}",
    "model_type": "expected a map",
    "model_attributes_type": "expected a map",
    "request_id": "{message}",
    "string_too_long": "expected at most {max_length} characters",
    "string_too_short": "expected at least {min_length} character",
    "string_type": "expected a string",
    "string_unicode": "expected whole characters",
    "too_short": "expected at least {min_length} entry",
    "too_long": "expected at most {max_length} entries",
    "greater_than_equal": "expected {ge:g} or more",
    "less_than_equal": "expected {le:g} or less",
}


class Explanation(NamedTuple):
    """``path`` leads to the culprit, such as ``speaker.name`` or ``hearers[2]``."""

    path: str
    message: str


def explain(model: type[BaseModel], error: ValidationError) -> Explanation:
    """Describe the first thing that ``error`` found wrong with a message of type ``model``, and count the rest."""
    problems = error.errors(include_url=False)
    first = problems[0]
    location, of_key = _place(first["loc"])
    path = join_path(location)
    if first["type"] == "missing":
        what = f"`{path}` is missing"
    else:
        pattern = _EXPECTED.get(first["type"], "{message}")
        expected = pattern.format_map({"message": first["msg"], **first.get("ctx", {})})
        where = f"a key of `{path}`" if of_key else f"`{path}`"
        what = f"{where}: {expected}, got {describe(first['input'])}" if path else f"E{expected[1:]}"
    meaning = _description(model, location)
    sentences = [f"{what}." if not meaning else f"{what}; it is {meaning}."]
    if len(problems) > 1:
        others = ", ".join(f"`{join_path(_place(problem['loc'])[0])}`" for problem in problems[1:4])
        sentences.append(f"Wrong too: {others}{', ...' if len(problems) > 4 else ''}.")
    return Explanation(path, " ".join(sentences))


def _place(location: Sequence[str | int]) -> tuple[Sequence[str | int], bool]:
    """Where the problem is, and whether it is with a key of the map that is there."""
    of_key = len(location) > 2 and location[-1] == _KEY
    return (location[:-2] if of_key else location), of_key


def join_path(steps: Sequence[str | int]) -> str:
    """Spell a path the way most languages would: ``speaker.name``, ``hearers[2]``."""
    path = ""
    for step in steps:
        # Keys are the sender's choice and may be as long as a string may be.
        path += f"[{step}]" if isinstance(step, int) else f".{step[:40]}" if path else step[:40]
    return path


def describe(value: object) -> str:
    """Name a value briefly, without repeating megabytes of it."""
    if value is None:
        return "nothing"
    name = next((name for kind, name in _NAMES if isinstance(value, kind)), type(value).__name__)
    if isinstance(value, str):
        return f"{value!r}" if len(value) <= 40 else f"a string of {len(value)} characters"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict) and not value:
        return name.replace("a ", "an empty ", 1)
    return f"{name} ({value})" if isinstance(value, int | float) else name


def _description(model: type[BaseModel], location: Sequence[str | int]) -> str:
    """The description of the innermost described field on the way to ``location``."""
    found = ""
    kind: Any = model
    for step in location:
        kind = _given(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = next((field for name, field in kind.model_fields.items() if step in (name, field.alias)), None)
            if field is None:
                break
            found = field.description or found
            kind = field.annotation
        elif get_origin(kind) in (list, dict):
            kind = get_args(kind)[-1]
        else:
            break
    return found


def _given(kind: Any) -> Any:
    """What a field that may be missing has where it isn't."""
    if get_origin(kind) in (Union, UnionType):
        return next(option for option in get_args(kind) if option is not type(None))
    return kind
