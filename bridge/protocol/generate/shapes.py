"""The JSON Schema of the messages as plain records and fields, which is all that a language's types need to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bridge.protocol import ANSWER_TYPES, REQUEST_TYPES

NAMES: Mapping[str, str] = {"Error": "ErrorMessage", "Event": "EventMessage"}
"""Names that mean something else already, in JavaScript or in Java."""

Kind = Literal["string", "integer", "number", "boolean", "choice", "list", "map", "record", "union", "any"]
Side = Literal["client", "server"]

_SINGULAR: Mapping[str, str] = {"characters": "character", "entries": "entry", "": ""}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value looks like. ``inner`` has a list's or a map's entries, or a union's options."""

    kind: Kind
    inner: tuple["Shape", ...] = ()
    name: str = ""
    choices: tuple[str, ...] = ()
    nullable: bool = False
    limits: str = ""

    @property
    def entry(self) -> "Shape":
        """The shape of a list's or a map's entries."""
        return self.inner[0]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record. ``default`` is None where there is none, or nothing is one."""

    name: str
    shape: Shape
    required: bool
    default: Any
    description: str


@dataclass(frozen=True, slots=True)
class Record:
    """A message, or a part of one; ``type`` is empty for a part. ``type`` is not among the fields."""

    name: str
    description: str
    fields: tuple[Field, ...]
    type: str = ""
    side: Side | None = None

    @property
    def required(self) -> tuple[Field, ...]:
        """The fields that are always there."""
        return tuple(field for field in self.fields if field.required)

    @property
    def optional(self) -> tuple[Field, ...]:
        """The fields that may be missing."""
        return tuple(field for field in self.fields if not field.required)


def records(schema: Mapping[str, Any]) -> Sequence[Record]:
    """Requests, answers, then their parts by name."""
    definitions = schema["$defs"]
    sides: Mapping[Side, Any] = {"client": REQUEST_TYPES, "server": ANSWER_TYPES}
    messages = [
        _record(model.__name__, definitions[model.__name__], type, side)
        for side, models in sides.items()
        for type, model in models.items()
    ]
    known = {message.name for message in messages}
    parts = [
        _record(name, definition)
        for name, definition in definitions.items()
        if "properties" in definition and _named(name) not in known
    ]
    return [*messages, *parts]


def _record(name: str, definition: Mapping[str, Any], type: str = "", side: Side | None = None) -> Record:
    required = definition.get("required", [])
    fields = tuple(
        Field(field, _shape(node), field in required, node.get("default"), node.get("description", ""))
        for field, node in definition["properties"].items()
        if field != "type" or not type
    )
    return Record(_named(name), definition["description"], fields, type, side)


def _named(name: str) -> str:
    return NAMES.get(name, name)


def _shape(node: Mapping[str, Any]) -> Shape:
    if "anyOf" in node:
        return _union(node["anyOf"])
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        return Shape("any") if name == "JsonValue" else Shape("record", name=_named(name))
    if "enum" in node:
        return Shape("choice", choices=tuple(node["enum"]))
    if "const" in node:
        return Shape("choice", choices=(node["const"],))
    match node.get("type"):
        case "array":
            return Shape("list", (_shape(node["items"]),), limits=_limits(node))
        case "object":
            return Shape("map", (_shape(node["additionalProperties"]),), limits=_limits(node))
        case "string" | "integer" | "number" | "boolean" as kind:
            return Shape(kind, limits=_limits(node))
        case other:
            raise ValueError(f"no generator knows what {other!r} is: {node}")


def _union(nodes: Sequence[Mapping[str, Any]]) -> Shape:
    options = [_shape(node) for node in nodes if node.get("type") != "null"]
    nullable = len(options) < len(nodes)
    if len(options) == 1:
        [only] = options
        return Shape(only.kind, only.inner, only.name, only.choices, nullable, only.limits)
    return Shape("union", tuple(options), nullable=nullable)


def _limits(node: Mapping[str, Any]) -> str:
    """The limits of a value in words, such as '1 to 128 characters'."""
    for low, high, unit in (
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "entries"),
        ("minimum", "maximum", ""),
    ):
        least, most = node.get(low), node.get(high)
        words = f"{least} to {most}" if None not in (least, most) else ""
        words = words or (f"at least {least}" if least is not None else f"at most {most}" if most is not None else "")
        if words:
            unit = _SINGULAR[unit] if words == "at least 1" else unit
            return f"{words} {unit}".strip() + (f", {_signs(node['pattern'])}" if "pattern" in node else "")
    keys = node.get("propertyNames")
    return f"keys of {_limits(keys)}" if keys else ""


def _signs(pattern: str) -> str:
    return f"matches `{pattern}`"
