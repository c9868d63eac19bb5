"""Java records of all messages, for JDK 17 and without dependencies.

They are made from and turned into the plain maps that a msgpack or JSON library reads and writes; nothing is reflected
upon. Optional fields are null where they are missing: ``of`` takes the required ones, and ``with...`` sets the others.
``Wire``, which is written by hand, checks what the maps hold.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from bridge.protocol import VERSION, ErrorCode
from bridge.protocol.generate.schema import json_schema
from bridge.protocol.generate.shapes import Field, Record, Shape, Side, records

_HEAD = """\
// Generated from bridge/protocol by `python -m bridge.protocol.generate`. Do not edit.
package dev.npcengine.protocol;
"""

_BOXED: Mapping[str, str] = {"string": "String", "integer": "Long", "number": "Double", "boolean": "Boolean"}
_BARE: Mapping[str, str] = {"Long": "long", "Double": "double", "Boolean": "boolean"}

_SIDES: Mapping[Side, tuple[str, str, tuple[tuple[str, str, str, str], ...]]] = {
    "client": (
        "ClientMessage",
        "What a client sends.",
        (("Object", "id", "Its id, which the answers carry.", "a String, a Long, or null"),),
    ),
    "server": (
        "ServerMessage",
        "What a server sends.",
        (
            ("Object", "re", "The id of the request that it answers.", "a String, a Long, or null"),
            ("Long", "seq", "Its place in the session.", "a number that counts up, or null before there is one"),
        ),
    ),
}


def java_sources() -> Mapping[str, str]:
    """The text of each class by its name."""
    all_records = records(json_schema())
    sources = {record.name: _record(record) for record in all_records}
    for side, (name, description, accessors) in _SIDES.items():
        members = [record for record in all_records if record.side == side]
        sources[name] = _interface(name, description, accessors, members)
    sources["Protocol"] = _constants()
    return sources


def type_of(shape: Shape) -> str:
    """A value's type, where it may be null."""
    match shape.kind:
        case "choice":
            return "String"
        case "list":
            return f"List<{type_of(shape.entry)}>"
        case "map":
            return f"Map<String, {type_of(shape.entry)}>"
        case "record":
            return shape.name
        case "union" | "any":
            return "Object"
        case simple:
            return _BOXED[simple]


def _reader(shape: Shape) -> str:
    """What reads such a value from what a library decoded."""
    match shape.kind:
        case "choice":
            return "Wire::string"
        case "list":
            return f"Wire.list({_reader(shape.entry)})"
        case "map":
            return f"Wire.map({_reader(shape.entry)})"
        case "record":
            return f"{shape.name}::read"
        case "union":
            return "Wire::id" if {option.kind for option in shape.inner} == {"integer", "string"} else "Wire::any"
        case simple:
            return f"Wire::{'bool' if simple == 'boolean' else simple}"


def _plain(shape: Shape, value: str) -> str:
    """``value`` as a library can encode it."""
    if shape.kind == "record":
        return f"{value}.toMap()"
    if shape.kind == "list" and shape.entry.kind == "record":
        return f"Wire.plain({value}, {shape.entry.name}::toMap)"
    if shape.kind == "map" and shape.entry.kind == "record":
        return f"Wire.plain({value}, {shape.entry.name}::toMap)"
    return value


def _declared(field: Field) -> str:
    boxed = type_of(field.shape)
    return _BARE.get(boxed, boxed) if field.required else boxed


def _name(field: Field) -> str:
    first, *rest = field.name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _record(record: Record) -> str:
    message = _SIDES[record.side][0] if record.side else ""
    lines = [_HEAD, *_imports(record)]
    lines += _doc(record.description, _params(record.fields))
    lines += [*_opening(record, f" implements {message}" if message else ""), ""]
    if record.type:
        lines += _doc("The message's {@code type}.", indent="    ")
        lines += [f"    public static final String TYPE = {json.dumps(record.type)};", ""]
    if record.optional:
        lines += _factory(record)
        for field in record.optional:
            lines += _wither(record, field)
    lines += _read(record)
    if record.type:
        lines += ["    @Override", "    public String type() {", "        return TYPE;", "    }", ""]
    lines += _to_map(record)
    return "\n".join([*lines, "}", ""])


def _opening(record: Record, implements: str) -> Iterator[str]:
    if len(record.fields) < 3:
        yield f"public record {record.name}({_parameters(record.fields)}){implements} {{"
        return
    yield f"public record {record.name}("
    *fields, last = (f"    {_parameters([field])}" for field in record.fields)
    yield from (f"{field}," for field in fields)
    yield f"{last}){implements} {{"


def _imports(record: Record) -> Iterator[str]:
    yield "import java.util.LinkedHashMap;"
    if any("List<" in type_of(field.shape) for field in record.fields):
        yield "import java.util.List;"
    yield "import java.util.Map;"
    yield ""


def _parameters(fields: Sequence[Field]) -> str:
    return ", ".join(f"{_declared(field)} {_name(field)}" for field in fields)


def _params(fields: Sequence[Field]) -> Sequence[str]:
    return [f"@param {_name(field)} {_about(field)}" for field in fields]


def _about(field: Field) -> str:
    more = [field.shape.limits] if field.shape.limits not in field.description else []
    if not field.required:
        more.append(f"{_literal(field.default)} if null" if field.default is not None else "may be null")
    return _html(field.description + (f" ({'; '.join(more)})" if more else ""))


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;").replace("*/", "*&#47;")


def _doc(text: str, tags: Sequence[str] = (), indent: str = "") -> Iterator[str]:
    if not tags:
        yield f"{indent}/** {_html(text)} */"
        return
    yield from (f"{indent}/**", f"{indent} * {_html(text)}", f"{indent} *")
    yield from (f"{indent} * {tag}" for tag in tags)
    yield f"{indent} */"


def _factory(record: Record) -> Iterator[str]:
    values = ", ".join(_name(field) if field.required else "null" for field in record.fields)
    tags = [*_params(record.required), "@return it"]
    yield from _doc("One with all that is required, and nothing else.", tags, "    ")
    yield f"    public static {record.name} of({_parameters(record.required)}) {{"
    yield f"        return new {record.name}({values});"
    yield from ("    }", "")


def _wither(record: Record, field: Field) -> Iterator[str]:
    name = _name(field)
    values = ", ".join(_name(other) for other in record.fields)
    yield from _doc("The same with another value.", [*_params([field]), "@return a copy"], "    ")
    yield f"    public {record.name} with{name[:1].upper()}{name[1:]}({_declared(field)} {name}) {{"
    yield f"        return new {record.name}({values});"
    yield from ("    }", "")


def _read(record: Record) -> Iterator[str]:
    tags = [
        "@param map the map; unknown keys are ignored",
        "@return it",
        "@throws IllegalArgumentException if something is missing or wrong; its message names the path",
    ]
    yield from _doc("Takes what a library decoded.", tags, "    ")
    yield f"    public static {record.name} fromMap(Map<?, ?> map) {{"
    yield '        return read(map, "");'
    yield from ("    }", "")
    yield f"    static {record.name} read(Object value, String path) {{"
    yield "        Map<?, ?> map = Wire.entries(value, path);"
    reads = [
        f"Wire.{_presence(field)}(map, {json.dumps(field.name)}, path, {_reader(field.shape)})"
        for field in record.fields
    ]
    yield f"        return new {record.name}("
    yield from (f"            {read}," for read in reads[:-1])
    yield from (f"            {read});" for read in reads[-1:])
    yield from ("    }", "")


def _to_map_doc() -> Iterator[str]:
    yield from _doc("As a library can encode it.", ["@return a new map; what is null is left out"], "    ")


def _presence(field: Field) -> str:
    return "required" if field.required else "optional"


def _to_map(record: Record) -> Iterator[str]:
    if record.type:
        yield "    @Override"
    else:
        yield from _to_map_doc()
    yield "    public Map<String, Object> toMap() {"
    yield "        Map<String, Object> map = new LinkedHashMap<>();"
    if record.type:
        yield '        map.put("type", TYPE);'
    for field in record.fields:
        name = _name(field)
        put = f"map.put({json.dumps(field.name)}, {_plain(field.shape, name)});"
        if field.required:
            yield f"        {put}"
        else:
            yield from (f"        if ({name} != null) {{", f"            {put}", "        }")
    yield "        return map;"
    yield "    }"


def _interface(
    name: str, description: str, accessors: Sequence[tuple[str, str, str, str]], members: Sequence[Record]
) -> str:
    lines = [_HEAD, "import java.util.Map;", "import java.util.Optional;", "", *_doc(description)]
    lines.append(f"public sealed interface {name} permits")
    lines.append(",\n".join(f"    {member.name}" for member in members) + " {")
    for type, accessor, meaning, value in (("String", "type", "Which message it is.", "its type"), *accessors):
        lines += [*_doc(meaning, [f"@return {value}"], "    "), f"    {type} {accessor}();", ""]
    lines += [*_to_map_doc(), "    Map<String, Object> toMap();", ""]
    tags = [
        "@param map the map; unknown keys are ignored",
        "@return the message; empty for a type of a later version",
        "@throws IllegalArgumentException if something is missing or wrong; its message names the path",
    ]
    lines += _doc("Takes what a library decoded.", tags, "    ")
    lines.append(f"    static Optional<{name}> fromMap(Map<?, ?> map) {{")
    lines.append('        return switch (Wire.required(map, "type", "", Wire::string)) {')
    lines += [f"            case {member.name}.TYPE -> Optional.of({member.name}.fromMap(map));" for member in members]
    lines += ["            default -> Optional.empty();", "        };", "    }", "}", ""]
    return "\n".join(lines)


def _constants() -> str:
    codes = ",\n".join(f"        {json.dumps(code)}" for code in get_args(ErrorCode))
    return "\n".join(
        [
            _HEAD,
            "import java.util.List;",
            "",
            *_doc("What all messages have in common."),
            "public final class Protocol {",
            *_doc("The version of the protocol that these classes are of.", indent="    "),
            f"    public static final long VERSION = {VERSION};",
            "",
            *_doc("The codes of errors. Take others too: they grow with the protocol.", indent="    "),
            f"    public static final List<String> ERROR_CODES = List.of(\n{codes});",
            "",
            "    private Protocol() {}",
            "}",
            "",
        ]
    )
