"""The reference page: every message with its fields, its limits and a worked example."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridge.protocol import ANSWER_TYPES, REQUEST_TYPES, VERSION, Message
from bridge.protocol.exchanges import ANSWERS, UNASKED
from bridge.protocol.generate.examples import answer_example, request_example
from bridge.protocol.generate.schema import json_schema
from bridge.protocol.generate.shapes import Field, Record, Shape, records

_HEAD = f"""\
<!-- Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit. -->

# The messages of the wire protocol, version {VERSION}

Every message, field by field. How they work together is in [the guide](protocol.md). For programs the same is in
[JSON Schema](../bridge/schema/npc.v1.schema.json), as an [AsyncAPI document](../bridge/schema/asyncapi.yaml) and as
[test vectors](../bridge/schema/vectors.json) that a client in another language can be tested with.

A message is a map; `type` says which it is. Unknown fields are ignored. An optional field is left out rather than sent
as `null`. Which of the requests a server takes is in `capabilities` of its `welcome`. Any request may be answered by
`error`.
"""


def reference_page() -> str:
    """The text of ``docs/reference.md``."""
    all_records = records(json_schema())
    parts = {record.name: record for record in all_records if not record.type}
    lines = [_HEAD]
    lines += _contents("What a client sends", REQUEST_TYPES)
    lines += _contents("What a server sends", ANSWER_TYPES)
    lines += ["[Parts of messages](#parts-of-messages): " + ", ".join(_link(name) for name in parts) + "", ""]
    for title, side in (("What a client sends", "client"), ("What a server sends", "server")):
        lines += [f"## {title}", ""]
        lines += [line for record in all_records if record.side == side for line in _message(record)]
    lines += ["## Parts of messages", ""]
    lines += [line for part in parts.values() for line in _section(part, part.name)]
    return "\n".join(lines).rstrip() + "\n"


def _contents(title: str, types: Mapping[str, type[Message]]) -> Sequence[str]:
    links = ", ".join(f"[`{type}`](#{_anchor(type, title)})" for type in types)
    return [f"[{title}](#{title.lower().replace(' ', '-')}): {links}", ""]


def _anchor(type: str, title: str) -> str:
    # `stats` is a request and an answer; the page that shows them numbers the second.
    twice = type in REQUEST_TYPES and title == "What a server sends"
    return type.replace(".", "") + ("-1" if twice else "")


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _message(record: Record) -> Iterator[str]:
    yield from _section(record, f"`{record.type}`")
    if record.side == "client":
        model = REQUEST_TYPES[record.type]
        *before, last = (f"`{answer.model_fields['type'].default}`" for answer in ANSWERS[model])  # type: ignore[index]
        yield f"Answered by {', '.join(before)}{' and at last ' if before else ''}{last}."
        example = request_example(record.type)
    else:
        yield _answered(record)
        example = answer_example(record.type)
    yield from ("", "```json", _example(example), "```", "")


def _answered(record: Record) -> str:
    model = ANSWER_TYPES[record.type]
    if record.type == "error":
        return "The answer to any request that fails; without `re` where it could not be read."
    asked = [f"`{request.model_fields['type'].default}`" for request, answers in ANSWERS.items() if model in answers]
    sentences = [f"Answers {', '.join(asked)}."] if asked else []
    return " ".join([*sentences, "Comes unasked, without `re`."] if model in UNASKED else sentences)


def _example(example: Mapping[str, Any]) -> str:
    line = json.dumps(example, ensure_ascii=False)
    return line if len(line) <= 120 else json.dumps(example, ensure_ascii=False, indent=2)


def _section(record: Record, title: str) -> Iterator[str]:
    yield from (f"### {title}", "", record.description, "")
    if not record.fields:
        return
    yield from ("| Field | Type | Default | Meaning |", "|---|---|---|---|")
    for field in record.fields:
        yield f"| `{field.name}` | {_type(field.shape)} | {_default(field)} | {_meaning(field)} |"
    yield ""


def _default(field: Field) -> str:
    if field.required:
        return "required"
    return f"`{json.dumps(field.default)}`" if field.default is not None else ""


def _meaning(field: Field) -> str:
    limits = [
        limits
        for limits in (field.shape.limits, _entry_limits(field.shape))
        if limits and limits not in field.description
    ]
    text = field.description + (f"; {'; '.join(limits)}" if limits else "")
    return text.replace("|", "\\|")


def _entry_limits(shape: Shape) -> str:
    return f"each {shape.entry.limits}" if shape.kind in ("list", "map") and shape.entry.limits else ""


def _type(shape: Shape) -> str:
    match shape.kind:
        case "choice":
            return " or ".join(f"`{choice}`" for choice in shape.choices)
        case "list":
            return f"list of {_type(shape.entry)}"
        case "map":
            return f"map of {_type(shape.entry)}{' or null' if shape.entry.nullable else ''}"
        case "record":
            return _link(shape.name)
        case "union":
            return " or ".join(_type(option) for option in shape.inner)
        case "any":
            return "anything"
        case simple:
            return simple
