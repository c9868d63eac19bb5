"""``{{player}}``-style variables in free text.

Only a variable, perhaps with a harmless filter, may stand between the braces. Loops and arithmetic are
refused although the sandbox would run them: a text that can loop can also hang the server that loads it.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from npc_engine.errors import InvalidPersona
from npc_engine.persona.document import Node
from npc_engine.persona.problem import Mark, Problem, nearest

FILTERS = frozenset({"capitalize", "lower", "title", "trim", "upper"})

_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
_OPENING = re.compile(r"\{[{%#]")
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def fill(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with its variables replaced. Raises InvalidPersona for one that is not in ``variables``."""
    if not _OPENING.search(text):
        return text
    try:
        return _compiled(text).render(variables)
    except TemplateError as error:
        raise InvalidPersona(
            f"Can't fill in {text!r}: {error}.", remedy="Declare it under 'vars' in world.yaml."
        ) from error


def uses_variables(text: str) -> bool:
    """Whether ``text`` depends on anything that changes."""
    return _OPENING.search(text) is not None


def check_template(key: str, node: Node, declared: Collection[str]) -> Iterator[Problem]:
    """What is wrong with the variables in the text ``node``, each at its own place."""
    text = str(node.value)
    for ordinal, opening in enumerate(_OPENING.finditer(text)):
        mark = _mark_of(node, ordinal)
        expression = _EXPRESSION.match(text, opening.start())
        if opening[0] != "{{":
            yield Problem.at(
                mark,
                key,
                f"{opening[0]!r} is not supported",
                "only {{variables}}; no statements, no comments",
            )
            return
        if expression is None:
            yield Problem.at(mark, key, "'{{' is never closed", "add '}}'")
            return
        yield from _check_expression(mark, key, expression[0], declared)


def _check_expression(mark: Mark, key: str, source: str, declared: Collection[str]) -> Iterator[Problem]:
    try:
        body = _ENVIRONMENT.parse(source).body
    except TemplateSyntaxError as error:
        yield Problem.at(mark, key, f"can't read {source!r}: {error.message}", "write {{variable}}")
        return
    value: nodes.Node | None = body[0].nodes[0] if body and isinstance(body[0], nodes.Output) else None
    while isinstance(value, nodes.Filter) and value.name in FILTERS and not value.args and not value.kwargs:
        value = value.node
    if isinstance(value, nodes.Filter):
        yield Problem.at(mark, key, f"the filter {value.name!r} is not supported", nearest(value.name, FILTERS))
    elif not isinstance(value, nodes.Name):
        yield Problem.at(mark, key, f"{source!r} is more than a variable", "only {{variable}}, or {{variable | title}}")
    elif value.name not in declared:
        yield Problem.at(mark, key, f"unknown variable {value.name!r}", nearest(value.name, declared))


def _mark_of(node: Node, ordinal: int) -> Mark:
    """Where the ``ordinal``-th opening of a text stands in the file; the text's start if escapes hide it."""
    found = [match.start() for match in _OPENING.finditer(node.raw)]
    return node.mark_in(found[ordinal]) if ordinal < len(found) else node.mark


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)
