"""What the schema alone can't see: variables, control tokens, names of others, secrets never told.

These look at a file as it was written, before its parents are merged in, so that each fault is found once.
"""

import re
from collections.abc import Collection, Iterator

from npc_engine.persona.document import Node
from npc_engine.persona.problem import Problem, nearest
from npc_engine.persona.schema import PLAYER
from npc_engine.persona.template import check_template, uses_variables

_NOT_PROSE = frozenset(
    {
        "name",
        "extends",
        "keys",
        "personas",
        "vars",
        "mood",
        "actions",
        "guardrails",
        "voice",
        "generation",
        "reveal_when",
    }
)
_CONTROL_TOKEN = re.compile(r"<\|[^|<>\s]{1,40}\|>")


def check_texts(tree: Node, declared: Collection[str]) -> Iterator[Problem]:
    """Variables that nobody declared, and control tokens, in every free text of a file."""
    for key, entry in tree.entries().items():
        if key in _NOT_PROSE:
            continue
        for path, node in entry.node.texts(key):
            if path.rpartition(".")[2].partition("[")[0] in _NOT_PROSE:
                continue
            yield from check_template(path, node, declared)
            if token := _CONTROL_TOKEN.search(str(node.value)):
                offset = max(node.raw.find(token[0]), 0)
                message = f"{token[0]!r} looks like a chat template's token"
                yield Problem.at(
                    node.mark_in(offset), path, message, "it is read as plain characters", severity="warning"
                )


def check_shared(tree: Node) -> Iterator[Problem]:
    """Warn of variables in what all NPCs share: text that changes there is computed again for everyone."""
    shared = [(key, node) for key in ("setting", "rules") if (node := tree.get(key)) is not None]
    lore = tree.get("lore")
    if lore is not None and isinstance(lore.value, tuple):
        for index, item in enumerate(lore.value):
            always, text = item.get("always"), item.get("text")
            if text is not None and always is not None and always.value is True:
                shared.append((f"lore[{index}].text", text))
    for key, part in shared:
        for path, node in part.texts(key):
            if uses_variables(str(node.value)):
                hint = "all NPCs share this text only while it stays the same; use the variable in keyword lore"
                yield Problem.at(node.mark, path, "a variable in a shared part", hint, severity="warning")


def check_relationships(tree: Node, known: Collection[str]) -> Iterator[Problem]:
    """Warn of relationships with somebody who is not among ``known``."""
    relationships = tree.get("relationships")
    for key, entry in relationships.entries().items() if relationships is not None else ():
        if key not in known and key != PLAYER:
            path, message = f"relationships.{key}", f"nobody here has the id {key!r}"
            yield Problem.at(entry.key, path, message, nearest(key, [*known, PLAYER]), severity="warning")


def check_secrets(tree: Node) -> Iterator[Problem]:
    """Warn of secrets that can never be told."""
    knowledge = tree.get("knowledge")
    items = knowledge.value if knowledge is not None and isinstance(knowledge.value, tuple) else ()
    for index, item in enumerate(items):
        secret = item.get("secret")
        if secret is not None and secret.value is True and item.get("reveal_when") is None:
            path, message = f"knowledge[{index}].secret", "a secret without 'reveal_when' is never told"
            yield Problem.at(secret.mark, path, message, "add 'reveal_when: {trust: \">= 3\"}'", severity="warning")
