"""A YAML file as a tree that remembers where everything stood.

The tree is built from the composer's nodes, not from constructed Python objects: every scalar keeps its
place, all duplicate keys are reported instead of the first, no tag can construct anything, and dates stay the
text that the designer typed.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode
from ruamel.yaml.reader import ReaderError

from npc_engine.persona.problem import Mark, Problem

MAX_BYTES = 128 * 1024
"""Some 30,000 tokens: no persona that fits a prompt comes near it."""

MAX_NODES = 10_000
"""Values in one file after aliases are expanded; nine aliases of nine aliases of ... stop here."""

MAX_DEPTH = 20
MAX_BRACKETS = 200
"""Unclosed brackets, those in prose included."""

Scalar = str | int | float | bool | None
Plain = Scalar | tuple["Plain", ...] | dict[str, "Plain"]

_BRACKET = re.compile(r"[\[\]{}]")
_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = {_TAG + "str", _TAG + "timestamp", _TAG + "value"}


class Entry(NamedTuple):
    """A key's place and its value."""

    key: Mark
    node: "Node"


@dataclass(frozen=True, slots=True)
class Node:
    """One value: a scalar, a list (tuple) or a map. ``raw`` is a text as the file spells it, with quotes."""

    mark: Mark
    value: Scalar | tuple["Node", ...] | Mapping[str, Entry]
    raw: str = ""

    def plain(self) -> Plain:
        """The bare data: dicts, tuples and scalars."""
        if isinstance(self.value, Mapping):
            return {key: entry.node.plain() for key, entry in self.value.items()}
        if isinstance(self.value, tuple):
            return tuple(item.plain() for item in self.value)
        return self.value

    def entries(self) -> Mapping[str, Entry]:
        """The entries of a map; nothing for anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    def get(self, key: str) -> "Node | None":
        """The value under ``key``, or None."""
        entry = self.entries().get(key)
        return entry.node if entry else None

    def texts(self, path: str = "") -> Iterator[tuple[str, "Node"]]:
        """Every text below, with its path such as ``knowledge[0].text``."""
        if isinstance(self.value, Mapping):
            for key, entry in self.value.items():
                yield from entry.node.texts(f"{path}.{key}" if path else key)
        elif isinstance(self.value, tuple):
            for index, item in enumerate(self.value):
                yield from item.texts(f"{path}[{index}]")
        elif isinstance(self.value, str):
            yield path, self

    def mark_in(self, offset: int) -> Mark:
        """The place of ``raw[offset]``."""
        before = self.raw[:offset]
        newline = before.rfind("\n")
        if newline < 0:
            return Mark(self.mark.file, self.mark.line, self.mark.column + offset)
        return Mark(self.mark.file, self.mark.line + before.count("\n"), offset - newline)


def read_document(file: Path) -> tuple[Node | None, list[Problem]]:
    """Read ``file``: its map, or None where the whole file can't be used. Never raises for its content."""
    start = Mark(file)
    if file.exists() and not file.is_file():
        # A pipe would never end, and a device may read as nothing at all.
        return None, [Problem.at(start, "", "is not an ordinary file", "put a text file in its place")]
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return None, [Problem.at(start, "", f"can't be read: {error.strerror or error}")]
    if len(data) > MAX_BYTES:
        return None, [Problem.at(start, "", f"is larger than {MAX_BYTES // 1024} KiB", "split it, or shorten it")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        message = f"is not UTF-8: byte 0x{data[error.start]:02x}"
        return None, [Problem.at(Mark(file, line, column), "", message, "save the file as UTF-8")]
    return _parse(file, text.replace("\r\n", "\n"))


def _parse(file: Path, text: str) -> tuple[Node | None, list[Problem]]:
    reader = _TreeReader(file, text)
    if (bracket := _too_deep(text)) is not None:
        return None, [Problem.at(reader.mark_at(bracket), "", "is nested too deeply", f"at most {MAX_DEPTH} levels")]
    yaml = YAML(typ="rt", pure=True)
    yaml.composer.warn_double_anchors = False
    try:
        root = yaml.compose(text)
        node = reader.build(root, "", 0) if root is not None else None
    except MarkedYAMLError as error:
        return None, [reader.syntax_problem(error)]
    except ReaderError as error:
        mark = reader.mark_at(text.find(chr(error.character)))
        return None, [Problem.at(mark, "", "holds a control character", "delete it")]
    except _TooMuch as error:
        return None, [Problem.at(error.mark, error.key, error.message, error.hint)]
    except RecursionError:
        return None, [Problem.at(Mark(file), "", "is nested too deeply", f"at most {MAX_DEPTH} levels")]
    except Exception as error:
        # Odd input trips the parser itself (AttributeError and worse); that is still a fault in the file.
        return None, [Problem.at(Mark(file), "", f"is not valid YAML: {error}")]
    if node is None or node.value is None:
        return None, [*reader.problems, Problem.at(Mark(file), "", "is empty", "write at least a name")]
    if not isinstance(node.value, Mapping):
        message = f"should be a map of keys, found {describe(node.plain())}"
        return None, [
            *reader.problems,
            Problem.at(node.mark, "", message, "write lines such as 'name: Greta'"),
        ]
    return node, reader.problems


def _too_deep(text: str) -> int | None:
    """Where brackets pile up beyond any reason. The parser takes seconds for that, and these are cheap to count."""
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth = max(0, depth + (1 if bracket[0] in "[{" else -1))
        if depth > MAX_BRACKETS:
            return bracket.start()
    return None


def describe(value: object) -> str:
    """What a value is, in a designer's words: ``the number 3``, ``a list``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the switch {str(value).lower()}"
        case int() | float():
            return f"the number {value}" if len(str(value)) <= 20 else "a number"
        case str():
            short = value if len(value) <= 40 else value[:37] + "..."
            return f"the text {short!r}"
        case tuple() | list():
            return "a list"
        case _:
            return "a map"


class _TooMuch(Exception):
    def __init__(self, mark: Mark, key: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.mark, self.key, self.message, self.hint = mark, key, message, hint


class _TreeReader:
    """Builds the tree of one file and gathers what it finds wrong on the way."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self.text = text
        self.problems: list[Problem] = []
        self._line_starts = [0, *(i + 1 for i, char in enumerate(text) if char == "\n")]
        self._nodes = 0

    def mark_at(self, index: int) -> Mark:
        """The place of ``text[index]``, counted here: YAML knows more line breaks than editors do."""
        line = bisect_right(self._line_starts, max(index, 0))
        return Mark(self.file, line, max(index, 0) - self._line_starts[line - 1] + 1)

    def build(self, node: YamlNode, path: str, depth: int) -> Node:
        mark = self.mark_at(node.start_mark.index)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooMuch(mark, path, f"holds more than {MAX_NODES} values", "write aliases out, or drop them")
        if depth > MAX_DEPTH:
            raise _TooMuch(mark, path, "is nested too deeply", f"at most {MAX_DEPTH} levels; no alias to a parent")
        if isinstance(node, ScalarNode):
            return self._scalar(node, mark, path)
        tag = str(node.tag)
        if tag not in {_TAG + "map", _TAG + "seq"}:
            self.problems.append(_no_tags(mark, path, tag))
        if isinstance(node, SequenceNode):
            return Node(mark, tuple(self.build(n, f"{path}[{i}]", depth + 1) for i, n in enumerate(node.value)))
        assert isinstance(node, MappingNode)
        return Node(mark, self._entries(node, path, depth))

    def _entries(self, node: MappingNode, path: str, depth: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            mark = self.mark_at(key_node.start_mark.index)
            if not isinstance(key_node, ScalarNode):
                self.problems.append(
                    Problem.at(mark, path, "a key should be a word", "put text that starts with { or [ in quotes")
                )
                continue
            key = str(key_node.value)
            inner = f"{path}.{key}" if path else key
            if str(key_node.tag) == _TAG + "merge":
                self.problems.append(Problem.at(mark, inner, "merge keys are not supported", "use 'extends'"))
                continue
            value = self.build(value_node, inner, depth + 1)
            if key in entries:
                first = entries[key].key.line
                self.problems.append(
                    Problem.at(mark, inner, f"was already given in line {first}", "keep one of the two")
                )
            else:
                entries[key] = Entry(mark, value)
        return entries

    def _scalar(self, node: ScalarNode, mark: Mark, path: str) -> Node:
        tag, text = str(node.tag), str(node.value)
        raw = self.text[node.start_mark.index : node.end_mark.index]
        converter = _CONVERTERS.get(tag)
        if converter is not None:
            try:
                return Node(mark, converter(text))
            except ValueError:
                return Node(mark, text, raw)
        if tag not in _TEXT_TAGS:
            self.problems.append(_no_tags(mark, path, tag))
        return Node(mark, text, raw)

    def syntax_problem(self, error: MarkedYAMLError) -> Problem:
        found = str(error.problem or error.context or "can't be read")
        if error.context_mark is not None and error.context == "while scanning a quoted scalar":
            mark = self.mark_at(error.context_mark.index)
            hint = "close it; text that only starts with a quote goes in quotes as a whole"
            return Problem.at(mark, "", "a quote that is never closed", hint)
        at = error.problem_mark or error.context_mark
        mark = self.mark_at(at.index) if at is not None else Mark(self.file)
        line = self.text.splitlines()[mark.line - 1 : mark.line] if self.text else []
        source = line[0] if line else ""
        if "'\\t'" in found or "\t" in source[: mark.column]:
            return Problem.at(mark, "", "a tab where YAML wants spaces", "replace the tab with spaces")
        if "{{" in source:
            return Problem.at(mark, "", "text with {{...}} needs quotes here", "put the whole text in quotes")
        if "mapping values are not allowed" in found:
            return Problem.at(
                mark,
                "",
                "a second ': ' in one line, or a line indented too far",
                "put text that holds ': ' in quotes",
            )
        if "another document" in found:
            return Problem.at(mark, "", "a second document ('---') in one file", "one persona per file")
        context = f", {error.context}" if error.context and error.problem else ""
        return Problem.at(mark, "", f"is not valid YAML: {found}{context}", "check indentation, quotes and brackets")


def _no_tags(mark: Mark, path: str, tag: str) -> Problem:
    return Problem.at(mark, path, f"the tag {tag.removeprefix(_TAG)!r} is not supported", "remove the word with !")


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    return int(digits, 0) if digits.lstrip("+-")[:2] in {"0x", "0o"} else int(digits)


def _floating(text: str) -> float:
    lowered = text.lower().replace("_", "")
    return float(lowered.replace(".inf", "inf").replace(".nan", "nan"))


_CONVERTERS: dict[str, Callable[[str], Scalar]] = {
    _TAG + "null": lambda _: None,
    _TAG + "bool": lambda text: text.lower() in {"true", "yes", "on"},
    _TAG + "int": _integer,
    _TAG + "float": _floating,
}
