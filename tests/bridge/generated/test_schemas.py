"""The schemas say what the models say, and are what their standards ask for."""

import json
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from ruamel.yaml import YAML

from bridge.codec import CodecError
from bridge.protocol import ANSWER_TYPES, REQUEST_TYPES
from tests.bridge.generated.test_vectors import VECTORS, decoded, named
from tests.bridge.generated.toolbox import ROOT, npm_file

SCHEMA = json.loads((ROOT / "bridge" / "schema" / "npc.v1.schema.json").read_text("utf-8"))
ASYNCAPI = YAML(typ="safe").load((ROOT / "bridge" / "schema" / "asyncapi.yaml").read_text("utf-8"))

BEYOND_SCHEMAS = {"text that is blank"}
"""What is refused for a reason that JSON Schema is not asked to say."""


def validator(side: str) -> Draft202012Validator:
    name = "ClientMessage" if side == "client" else "ServerMessage"
    return Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{name}"}]})


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_message_has_its_definition() -> None:
    for model in (*REQUEST_TYPES.values(), *ANSWER_TYPES.values()):
        definition = SCHEMA["$defs"][model.__name__]
        assert definition["properties"]["type"] == {"const": model.model_fields["type"].default}
        assert definition["required"][0] == "type"


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=named)
def test_messages_fit_the_schema(vector: dict[str, Any]) -> None:
    validator(vector["side"]).validate(vector["json"])


@pytest.mark.parametrize("vector", [v for v in VECTORS["reads"] if v["means"] is not None], ids=named)
def test_what_is_read_fits_the_schema(vector: dict[str, Any]) -> None:
    for plain in decoded(vector):
        validator(vector["side"]).validate(plain)


def readable(vector: dict[str, Any]) -> list[dict[str, Any]]:
    """Its frames that a codec reads; the others are for no schema to judge."""
    try:
        return decoded(vector)
    except CodecError:
        return []


@pytest.mark.parametrize("vector", [v for v in VECTORS["refused"] if readable(v)], ids=named)
def test_what_is_refused_does_not_fit_the_schema(vector: dict[str, Any]) -> None:
    for plain in readable(vector):
        assert validator("client").is_valid(plain) == (vector["name"] in BEYOND_SCHEMAS)


def test_the_asyncapi_document_is_one() -> None:
    official = json.loads(npm_file("@asyncapi/specs/schemas/3.0.0-without-$id.json").read_text("utf-8"))
    errors = [f"{error.json_path}: {error.message}" for error in Draft7Validator(official).iter_errors(ASYNCAPI)]
    assert errors == []


def test_its_references_lead_somewhere() -> None:
    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                target: Any = ASYNCAPI
                for step in node["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            for value in node.values():
                visit(value)
        elif isinstance(node, list):
            for value in node:
                visit(value)

    visit(ASYNCAPI)


def test_it_has_an_operation_for_each_request_and_its_payloads_are_the_schema() -> None:
    received = [operation for operation in ASYNCAPI["operations"].values() if operation["action"] == "receive"]
    names = {operation["messages"][0]["$ref"].rpartition("/")[2] for operation in received}
    assert names == {model.__name__ for model in REQUEST_TYPES.values()}
    moved = json.loads(json.dumps(SCHEMA["$defs"]).replace("#/$defs/", "#/components/schemas/"))
    assert ASYNCAPI["components"]["schemas"] == {
        name: definition for name, definition in moved.items() if name not in ("ClientMessage", "ServerMessage")
    }
