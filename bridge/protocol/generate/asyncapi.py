"""The AsyncAPI 3.0 document, from the server's side: what it receives, what it replies, what it sends unasked."""

import io
import json
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML

from bridge.protocol import ANSWER_TYPES, REQUEST_TYPES, VERSION, Message
from bridge.protocol.exchanges import ANSWERS, UNASKED
from bridge.protocol.generate.examples import answer_example, request_example
from bridge.protocol.generate.schema import json_schema, plain_words

_CHANNEL = "bridge"
_JSON = "application/json"

_ABOUT = f"""\
How games talk to NPC Engine: WebSocket messages, each a map with a `type`. With the subprotocol
`npc.v{VERSION}.json` they are JSON in text messages, with `npc.v{VERSION}.msgpack` the same maps as msgpack in binary
messages.
"""


def asyncapi_document() -> str:
    """The document as YAML."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    text = io.StringIO()
    text.write("# Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.\n")
    yaml.dump(asyncapi(), text)
    return text.getvalue()


def asyncapi() -> dict[str, Any]:
    """The document as plain maps and lists."""
    definitions = json_schema()["$defs"]
    schemas = {name: schema for name, schema in definitions.items() if name not in ("ClientMessage", "ServerMessage")}
    messages = {
        **{model.__name__: _message(model, request_example(type)) for type, model in REQUEST_TYPES.items()},
        **{model.__name__: _message(model, answer_example(type)) for type, model in ANSWER_TYPES.items()},
    }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "NPC Engine bridge",
            "version": f"{VERSION}.0.0",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": {"local": {"host": "127.0.0.1:8765", "protocol": "ws", "description": "`npc-engine serve`."}},
        "channels": {
            _CHANNEL: {
                "address": "/",
                "description": "One connection. The first message is `hello`.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": _operations(),
        "components": {"messages": messages, "schemas": schemas},
    }
    # References are the only strings that begin so; a copy also keeps YAML from writing anchors for shared parts.
    moved = json.dumps(document).replace('"#/$defs/', '"#/components/schemas/')
    return json.loads(moved)  # type: ignore[no-any-return]


def _message(model: type[Message], example: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": example["type"],
        "title": model.__name__,
        "summary": plain_words(model.__doc__ or ""),
        "contentType": _JSON,
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": [{"payload": example}],
    }


def _operations() -> dict[str, Any]:
    received = {
        f"receive{request.__name__}": {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{_CHANNEL}"},
            "messages": _messages([request]),
            "reply": {
                "channel": {"$ref": f"#/channels/{_CHANNEL}"},
                "messages": _messages([*answers, ANSWER_TYPES["error"]]),
            },
        }
        for request, answers in ANSWERS.items()
    }
    sent = {
        f"send{answer.__name__}": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{_CHANNEL}"},
            "messages": _messages([answer]),
        }
        for answer in UNASKED
    }
    return {**received, **sent}


def _messages(models: Sequence[type[Message]]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{_CHANNEL}/messages/{model.__name__}"} for model in models]
