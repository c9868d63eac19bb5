"""How a model's chat template sets out a conversation: which markup stands around whose words.

What people write never goes through the template. It is rendered around marks in place of words and cut at the marks,
so that markup becomes ids as markup and words become ids as words: no text, whoever wrote it, can close a turn. And
since the layout depends on the roles alone, it is made once for all conversations that have come equally far.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jinja2 import TemplateError

from npc_engine.inference.tokenizer import Tokenizer
from npc_engine.mind.chat_template import RENDERING_ERRORS, ChatTemplate
from npc_engine.mind.markup import Ids

# White space that no template writes itself: where it is gone, the template trims what it is given.
_EDGE = "\u2003"
_MARK = re.compile(rf"({_EDGE}?)@words-(\d+)@({_EDGE}?)")


@dataclass(frozen=True, slots=True)
class Piece:
    """Markup: its text and its ids."""

    text: str
    ids: Ids


class Place(NamedTuple):
    """Where the words of message number ``message`` go; ``left`` and ``right``: without white space at that end."""

    message: int
    left: bool
    right: bool

    def trim(self, words: str) -> str:
        """The words as the template would write them."""
        words = words.lstrip() if self.left else words
        return words.rstrip() if self.right else words


Layout = tuple[Piece | Place, ...]
"""What stands in a prompt, in order. The last piece is how an answer begins."""


def lay_out(template: ChatTemplate, tokenizer: Tokenizer, roles: Sequence[str]) -> Layout:
    """The layout of a conversation whose messages have these roles. Raises ValueError that says why there is none."""
    parts = [(role, _mark(i)) for i, role in enumerate(roles)]
    try:
        layout = _cut(_render(template, parts), len(roles))
        why = "it does not write every message once"
    except RENDERING_ERRORS as error:
        layout, why = None, str(error)
    if layout is None:
        # Some know no system role, or want user and assistant to take turns: the words go to the nearest user turn.
        try:
            layout = _cut(_render(template, _taking_turns(parts)), len(roles))
        except RENDERING_ERRORS as error:
            why = str(error)
    if layout is None:
        raise ValueError(why)
    return tuple(
        Piece(part, tuple(tokenizer.encode_markup(part))) if isinstance(part, str) else part for part in layout
    )


def _mark(index: int) -> str:
    return f"{_EDGE}@words-{index}@{_EDGE}"


def _render(template: ChatTemplate, parts: Sequence[tuple[str, str]]) -> str:
    return template.render([{"role": role, "content": content} for role, content in parts])


def _taking_turns(parts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """System messages as words of the user, and neighbours of one role as one message."""
    turns: list[tuple[str, str]] = []
    for role, content in parts:
        role = "user" if role == "system" else role
        if turns and turns[-1][0] == role:
            turns[-1] = (role, f"{turns[-1][1]}\n\n{content}")
        else:
            turns.append((role, content))
    if not turns or turns[0][0] != "user":
        raise TemplateError("a conversation begins with a system or a user message")
    return turns


def _cut(text: str, count: int) -> list[str | Place] | None:
    """Markup and places in order; None unless each of ``count`` marks is there once."""
    parts: list[str | Place] = []
    found, at = [], 0
    for mark in _MARK.finditer(text):
        parts += (text[at : mark.start()], Place(int(mark[2]), not mark[1], not mark[3]))
        found.append(int(mark[2]))
        at = mark.end()
    parts.append(text[at:])
    return parts if sorted(found) == list(range(count)) else None
