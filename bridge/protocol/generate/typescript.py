"""TypeScript types of all messages: one interface each, told apart by ``type``, with the names of the wire."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from bridge.protocol import VERSION, Change, ErrorCode, Finish, LogLevel, PriorityName, SpeakerKind, Topic
from bridge.protocol.generate.schema import json_schema
from bridge.protocol.generate.shapes import Field, Record, Shape, records

_HEAD = f"""\
// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.

/** The version of the protocol that these types are of. */
export const VERSION = {VERSION};

/** The client's name for a request, which its answers carry as `re`. */
export type RequestId = number | string;

/** Anything that JSON can say. */
export type Json = null | boolean | number | string | Json[] | {{ [key: string]: Json }};
"""

_WORDS: Mapping[tuple[str, ...], str] = {
    get_args(PriorityName): "Priority",
    get_args(SpeakerKind): "SpeakerKind",
    get_args(Topic): "Topic",
    get_args(Finish): "Finish",
    get_args(Change): "Change",
    get_args(LogLevel): "LogLevel",
}
"""Sets of words that have a name of their own."""


def typescript_source() -> str:
    """The text of ``protocol.ts``."""
    all_records = records(json_schema())
    codes = get_args(ErrorCode)
    return "\n".join(
        [
            _HEAD,
            "/** The codes of this version. Take others too: they grow with the protocol. */",
            f"export const ERROR_CODES = {_list(codes)} as const;",
            "",
            "export type ErrorCode = (typeof ERROR_CODES)[number];",
            "",
            *(f"export type {name} = {_one_of(words)};" for words, name in _WORDS.items()),
            "",
            *(line for record in all_records for line in _interface(record)),
            *_union("ClientMessage", "What a client sends.", [r for r in all_records if r.side == "client"]),
            *_union("ServerMessage", "What a server sends.", [r for r in all_records if r.side == "server"]),
        ]
    )


def type_of(shape: Shape) -> str:
    """A value's type; ``null`` is in it only where it is a value of its own and not a missing field."""
    match shape.kind:
        case "string" | "boolean":
            return shape.kind
        case "integer" | "number":
            return "number"
        case "choice":
            return _WORDS.get(shape.choices) or _one_of(shape.choices)
        case "list":
            entry = type_of(shape.entry)
            return f"({entry})[]" if " " in entry else f"{entry}[]"
        case "map":
            entry = type_of(shape.entry) + (" | null" if shape.entry.nullable else "")
            return f"{{ [key: string]: {entry} }}"
        case "record":
            return shape.name
        case "union":
            return " | ".join(dict.fromkeys(type_of(option) for option in shape.inner))
        case "any":
            return "Json"


def _interface(record: Record) -> Iterator[str]:
    yield from _doc(record.description)
    yield f"export interface {record.name} {{"
    if record.type:
        yield f"  type: {json.dumps(record.type)};"
    for field in record.fields:
        yield from _doc(_about(field), "  ")
        yield f"  {field.name}{'' if field.required else '?'}: {type_of(field.shape)};"
    yield "}"
    yield ""


def _about(field: Field) -> str:
    limits = f" ({field.shape.limits})" if field.shape.limits not in field.description else ""
    default = f" Default: {json.dumps(field.default)}." if field.default is not None else ""
    return f"{field.description[:1].upper()}{field.description[1:]}{limits}.{default}"


def _doc(text: str, indent: str = "") -> Iterator[str]:
    if text:
        safe = text.replace("*/", "* /")
        yield f"{indent}/** {safe} */"


def _union(name: str, description: str, members: Sequence[Record]) -> Iterator[str]:
    yield from _doc(description)
    yield f"export type {name} ="
    yield from (f"  | {member.name}" for member in members[:-1])
    yield f"  | {members[-1].name};"
    yield ""


def _one_of(words: Sequence[str]) -> str:
    return " | ".join(json.dumps(word) for word in words)


def _list(words: Sequence[str]) -> str:
    return "[\n" + "".join(f"  {json.dumps(word)},\n" for word in words) + "]"
