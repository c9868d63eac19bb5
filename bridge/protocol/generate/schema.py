"""One JSON Schema (draft 2020-12) of all messages: what everything else is generated from."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from bridge.protocol import ANSWER_TYPES, REQUEST_TYPES, VERSION, Message

_KEYWORDS = {"ge": "minimum", "le": "maximum"}
"""Pydantic spells a limit of a field that is converted first by its own name."""


class _Untitled(GenerateJsonSchema):
    """Without a title for every field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def json_schema() -> dict[str, Any]:
    """One ``$defs`` entry for each message and each part of one; the schema itself is any message."""
    models = {model.__name__: model for model in (*REQUEST_TYPES.values(), *ANSWER_TYPES.values())}
    _, schema = models_json_schema([(model, "validation") for model in models.values()], schema_generator=_Untitled)
    definitions = {name: _tidy(definition) for name, definition in sorted(schema["$defs"].items())}
    definitions["JsonValue"] = {"title": "JsonValue", "description": "Anything that JSON can say."}
    for name, definition in definitions.items():
        if name in models:
            definition["properties"]["type"] = {"const": definition["properties"]["type"]["const"]}
            definition["required"] = ["type", *definition.get("required", [])]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"npc.v{VERSION}.schema.json",
        "title": f"The bridge protocol, version {VERSION}",
        "description": "Generated from bridge/protocol by `python -m bridge.protocol.generate`.",
        "anyOf": [_ref("ClientMessage"), _ref("ServerMessage")],
        "$defs": {
            "ClientMessage": _union("What a client sends.", REQUEST_TYPES),
            "ServerMessage": _union("What a server sends.", ANSWER_TYPES),
            **definitions,
        },
    }


def to_json(plain: Any) -> str:
    """As a file: indented, with a line break at the end, and the characters as they are."""
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def plain_words(text: str) -> str:
    """A docstring's first words, for those who don't know Python: with ordinary quotes and without line breaks."""
    return re.sub(r"\s+", " ", text.replace("``", "`")).strip()


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _union(description: str, models: Mapping[str, type[Message]]) -> dict[str, Any]:
    return {"description": description, "oneOf": [_ref(model.__name__) for model in models.values()]}


def _tidy(node: Any) -> Any:
    """Standard keywords, plain words, and no `null` as a default: what isn't given isn't sent."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {_KEYWORDS.get(key, key): _tidy(value) for key, value in node.items()}
    if isinstance(tidy.get("description"), str):
        tidy["description"] = plain_words(tidy["description"])
    if tidy.get("default", ...) is None:
        del tidy["default"]
    return tidy
