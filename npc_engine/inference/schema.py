"""JSON Schemas as clients write them, made such that every value of them ends.

A grammar alone lets a string or a number go on for ever, and a small model sometimes wants to. So what is open in a
schema is closed: strings, lists and numbers get an end, maps take only the keys they name. Every value of the bounded
schema is a value of the one that was given.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from math import floor, log10
from typing import Any

from npc_engine.errors import SchemaUnsupported

Schema = Mapping[str, Any]

MAX_BYTES = 16 * 1024
MAX_DEPTH = 12
MAX_STRING, MAX_ITEMS, MAX_NUMBER = 80, 8, 1_000_000
"""Ends for what has none: characters, entries, and how far numbers go in either direction."""

_ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema", "$id"}
)
_TYPED_BY: Mapping[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_CHOICES = ("anyOf", "oneOf")


def bounded(schema: object) -> dict[str, Any]:
    """``schema`` with an end for everything in it. Raises SchemaUnsupported, with the path to what can't be done."""
    size = _size(schema)
    if size > MAX_BYTES:
        raise SchemaUnsupported(
            f"The schema is {size:,} bytes long.", remedy=f"Keep it within {MAX_BYTES:,} bytes.", path=""
        )
    return _Bounder(schema).root()


def parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas directly inside ``schema``, each with the path to it."""
    for key in ("properties", "$defs", "definitions"):
        inner = schema.get(key)
        if isinstance(inner, Mapping):
            for name, part in inner.items():
                yield f"{key}.{name}", part
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        inner = schema.get(key)
        if isinstance(inner, list | tuple):
            for index, part in enumerate(inner):
                yield f"{key}[{index}]", part
    if isinstance(schema.get("items"), Mapping):
        yield "items", schema["items"]


def joined(path: str, more: str) -> str:
    """One path behind another."""
    return f"{path}.{more}" if path and more else path or more


def _size(schema: object) -> int:
    try:
        return len(json.dumps(schema, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaUnsupported(
            f"The schema can't be written as JSON ({error}).",
            remedy="Use maps, lists, strings and numbers only.",
            path="",
        ) from error


class _Bounder:
    def __init__(self, schema: object) -> None:
        self._schema = schema
        self._within: list[str] = []

    def root(self) -> dict[str, Any]:
        plain = self._bound(self._schema, "", 0)
        assert isinstance(self._schema, Mapping)
        return {key: value for key, value in plain.items() if key not in ("$defs", "definitions")}

    def _bound(self, schema: object, path: str, depth: int) -> dict[str, Any]:
        if schema is True:
            schema = {}
        if not isinstance(schema, Mapping):
            raise SchemaUnsupported(
                "A schema should be a map.", remedy='Write one such as {"type": "string"}.', path=path
            )
        if depth > MAX_DEPTH:
            raise SchemaUnsupported(
                "The schema is nested too deeply.", remedy=f"At most {MAX_DEPTH} levels.", path=path
            )
        schema = {k: v for k, v in schema.items() if k not in _ANNOTATIONS and not k.startswith("x-")}
        if "$ref" in schema:
            return self._referred(schema, path, depth)
        if "enum" in schema or "const" in schema:
            if not all(_exact(schema[key]) for key in ("enum", "const") if key in schema):
                raise SchemaUnsupported(
                    "Not every language can write an integer of more than 53 bits.",
                    remedy="Use a string for it.",
                    path=joined(path, "enum" if "enum" in schema else "const"),
                )
            return schema
        if "allOf" in schema:
            return self._all(schema, path, depth)
        for choice in _CHOICES:
            if choice in schema:
                return self._choice(choice, schema, path, depth)
        return self._typed(schema, path, depth)

    def _referred(self, schema: Schema, path: str, depth: int) -> dict[str, Any]:
        """What a reference leads to, in its place."""
        where = schema["$ref"]
        others = sorted(schema.keys() - {"$ref", "$defs", "definitions"})
        if others:
            raise _beside("$ref", others, path)
        if where in self._within:
            raise SchemaUnsupported(
                f"The schema {where!r} holds itself, so that its values need not end.",
                remedy="Write out as many levels as are needed.",
                path=joined(path, "$ref"),
            )
        self._within.append(where)
        found = self._bound(self._find(where, path), path, depth + 1)
        self._within.pop()
        return found

    def _find(self, where: object, path: str) -> object:
        found: Any = self._schema
        names = where[2:].split("/") if isinstance(where, str) and where.startswith("#/") else None
        for name in names or ():
            name = name.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        if names is None or found is None:
            raise SchemaUnsupported(
                f"There is no {where!r} in this schema.", remedy="Refer to '#/$defs/...'.", path=joined(path, "$ref")
            )
        return found

    def _all(self, schema: Schema, path: str, depth: int) -> dict[str, Any]:
        inner = schema["allOf"]
        others = sorted(schema.keys() - {"allOf", "$defs", "definitions"})
        if others or not isinstance(inner, list | tuple) or len(inner) != 1:
            raise SchemaUnsupported(
                "Several schemas can't be held at once.", remedy="Merge what 'allOf' lists.", path=joined(path, "allOf")
            )
        return self._bound(inner[0], joined(path, "allOf[0]"), depth + 1)

    def _choice(self, choice: str, schema: Schema, path: str, depth: int) -> dict[str, Any]:
        others = sorted(schema.keys() - {choice, "type", "$defs", "definitions"})
        if others:
            raise _beside(choice, others, path)
        inner = schema[choice]
        if not isinstance(inner, list | tuple) or not inner:
            raise SchemaUnsupported(f"'{choice}' should list schemas.", remedy="Name one.", path=joined(path, choice))
        typed = {"type": schema["type"]} if "type" in schema else {}
        branches = []
        for index, branch in enumerate(inner):
            if typed and isinstance(branch, Mapping) and not branch.keys() & {"type", "$ref", "enum", "const"}:
                branch = {**branch, **typed}
            branches.append(self._bound(branch, joined(path, f"{choice}[{index}]"), depth + 1))
        return {choice: branches}

    def _typed(self, schema: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        given = schema.get("type")
        types = [given] if isinstance(given, str) else given
        if types is None:
            types = [kind for kind, keys in _TYPED_BY.items() if schema.keys() & set(keys)]
            types = types or ["string", "number", "boolean", "null"]
        if not isinstance(types, list | tuple) or not types:
            raise SchemaUnsupported("'type' should name a type.", remedy="Such as 'string'.", path=joined(path, "type"))
        branches = [self._one_type(str(kind), schema, path, depth) for kind in types]
        return branches[0] if len(branches) == 1 else {"anyOf": branches}

    def _one_type(self, kind: str, schema: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        known = {"type", "$defs", "definitions"}.union(*_TYPED_BY.values())
        for key in schema.keys() - known:
            raise SchemaUnsupported(f"'{key}' can't be kept to.", remedy="Leave it out.", path=joined(path, key))
        bind: Callable[[dict[str, Any], str, int], dict[str, Any]]
        match kind:
            case "string":
                keys, bind = _TYPED_BY["string"], _string
            case "integer" | "number":
                keys, bind = _TYPED_BY["number"], _integer if kind == "integer" else _number
            case "array":
                keys, bind = _TYPED_BY["array"], self._array
            case "object":
                keys, bind = _TYPED_BY["object"], self._object
            case "boolean" | "null":
                return {"type": kind}
            case _:
                raise SchemaUnsupported(
                    f"There is no type {kind!r}.",
                    remedy="Use string, integer, number, boolean, object, array or null.",
                    path=joined(path, "type"),
                )
        return {"type": kind, **bind({key: schema[key] for key in keys if key in schema}, path, depth)}

    def _array(self, schema: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        prefix = schema.get("prefixItems", [])
        bound: dict[str, Any] = {}
        if prefix:
            bound["prefixItems"] = [
                self._bound(part, joined(path, f"prefixItems[{i}]"), depth + 1) for i, part in enumerate(prefix)
            ]
        items = schema.get("items", True)
        bound["items"] = False if items is False else self._bound(items, joined(path, "items"), depth + 1)
        least = max(_count(schema, "minItems", path, 0), 0)
        most = _count(schema, "maxItems", path, max(least, len(prefix), MAX_ITEMS))
        return {**bound, "minItems": least, "maxItems": most}

    def _object(self, schema: dict[str, Any], path: str, depth: int) -> dict[str, Any]:
        named = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(named, Mapping):
            raise SchemaUnsupported(
                "Expected a map.", remedy="Name a schema for each key.", path=joined(path, "properties")
            )
        if not isinstance(required, list | tuple):
            raise SchemaUnsupported("Expected a list.", remedy="Name the keys.", path=joined(path, "required"))
        for key in required:
            if key not in named:
                raise SchemaUnsupported(
                    f"The key {key!r} is required and not described.",
                    remedy="Add it to 'properties'.",
                    path=joined(path, "required"),
                )
        bound = {key: self._bound(part, joined(path, f"properties.{key}"), depth + 1) for key, part in named.items()}
        counts: dict[str, Any] = {key: schema[key] for key in ("minProperties", "maxProperties") if key in schema}
        return {"properties": bound, "required": list(required), "additionalProperties": False, **counts}


def _string(schema: dict[str, Any], path: str, _: int) -> dict[str, Any]:
    least = _count(schema, "minLength", path, 0)
    return {**schema, "maxLength": _count(schema, "maxLength", path, max(least, MAX_STRING))}


def _integer(schema: dict[str, Any], path: str, _: int) -> dict[str, Any]:
    low, high = _range(schema, path)
    ends = {} if _has_low(schema) else {"minimum": floor(low)}
    return {**schema, **ends, **({} if _has_high(schema) else {"maximum": floor(high)})}


def _number(schema: dict[str, Any], path: str, _: int) -> dict[str, Any]:
    low, high = _range(schema, path)
    ends = {} if _has_low(schema) else {"minimum": low}
    # Digits end where steps do: hundredths, or finer ones for a range in which there are few of them.
    step = 10.0 ** min(-2, floor(log10(high - low)) - 2) if high > low else None
    steps = {"multipleOf": step} if step and "multipleOf" not in schema else {}
    return {**schema, **ends, **({} if _has_high(schema) else {"maximum": high}), **steps}


def _has_low(schema: Schema) -> bool:
    return "minimum" in schema or "exclusiveMinimum" in schema


def _has_high(schema: Schema) -> bool:
    return "maximum" in schema or "exclusiveMaximum" in schema


def _range(schema: Schema, path: str) -> tuple[float, float]:
    for key in _TYPED_BY["number"]:
        value = schema.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SchemaUnsupported("Expected a number.", remedy="Write a number.", path=joined(path, key))
        if abs(value) > 1 << 53:
            raise SchemaUnsupported("The number is too large.", remedy="Use at most 53 bits.", path=joined(path, key))
    low = max((schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema), default=None)
    high = min((schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema), default=None)
    if low is None:
        low = min(-MAX_NUMBER, high - MAX_NUMBER) if high is not None else -MAX_NUMBER
    if high is None:
        high = max(MAX_NUMBER, low + MAX_NUMBER)
    if low > high:
        raise SchemaUnsupported(f"No number lies between {low:g} and {high:g}.", remedy="Swap them.", path=path)
    return low, high


def _count(schema: Schema, key: str, path: str, default: int) -> int:
    value = schema.get(key, default)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SchemaUnsupported("Expected a whole number.", remedy="Write one of 0 or more.", path=joined(path, key))
    return value


def _exact(value: object) -> bool:
    """Whether every number in ``value`` is one that double precision can hold."""
    if isinstance(value, Mapping):
        return all(_exact(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return all(_exact(inner) for inner in value)
    return not isinstance(value, int) or abs(value) <= 1 << 53


def _beside(key: str, others: list[str], path: str) -> SchemaUnsupported:
    names = ", ".join(f"'{other}'" for other in others)
    return SchemaUnsupported(
        f"{names} can't stand beside '{key}'.", remedy="Move it into the schemas there.", path=joined(path, others[0])
    )
