"""What stands between the words of a conversation, taken apart from the model's own chat template.

A prompt that is only ever appended to can't be rendered anew each turn: the ids the model has seen would change under
it. So the template is rendered once, around marks in place of words, and cut at the marks.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import TemplateError

from npc_engine.errors import OperatorError
from npc_engine.inference.tokenizer import Tokenizer
from npc_engine.mind.chat_template import RENDERING_ERRORS, ChatTemplate, cannot_render, read_chat_template

_MARKS = ("@mark-a@", "@mark-b@", "@mark-c@", "@mark-d@")

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Markup:
    """Token ids around the words: before the system text, from there to the first user text, from user text to
    assistant text, and from assistant text to the next user text."""

    opening: Ids
    system_to_user: Ids
    user_to_assistant: Ids
    assistant_to_user: Ids
    newline: Ids

    def with_cue(self, cue: Ids) -> "Markup":
        """The same, with ``cue`` at the beginning of every answer."""
        return replace(self, user_to_assistant=self.user_to_assistant + cue)


def read_markup(folder: Path, tokenizer: Tokenizer) -> Markup:
    """Take the chat template of the model in ``folder`` apart.

    Raises OperatorError when the model has none, or one that can't be used for a growing conversation.
    """
    template = read_chat_template(folder)
    try:
        pieces = _cut(_render(template, system=True)) or _cut(_render(template, system=False))
    except RENDERING_ERRORS as error:
        raise cannot_render(folder, error) from error
    if pieces is None:
        raise OperatorError(
            f"The chat template of the model in {folder} rewrites what it is given.",
            remedy="Use a model whose template writes each message as it is, in order.",
        )
    opening, system_to_user, to_assistant, to_user = (tuple(tokenizer.encode_markup(piece)) for piece in pieces)
    return Markup(opening, system_to_user, to_assistant, to_user, tuple(tokenizer.encode_text("\n")))


def _render(template: ChatTemplate, *, system: bool) -> str:
    system_text, first, answer, second = _MARKS
    if system:
        messages = [_message("system", system_text), _message("user", first)]
    else:
        # Models without a system role read what it would say at the head of the first message.
        messages = [_message("user", f"{system_text}\n\n{first}")]
    messages += [_message("assistant", answer), _message("user", second)]
    try:
        return template.render(messages)
    except TemplateError:
        if system:
            return ""
        raise


def _cut(text: str) -> tuple[str, str, str, str] | None:
    """The stretches before and between the marks; what follows the last one must be how an answer begins."""
    places = [text.find(mark) for mark in _MARKS]
    if -1 in places or places != sorted(places) or any(text.count(mark) != 1 for mark in _MARKS):
        return None
    ends = [place + len(mark) for place, mark in zip(places, _MARKS, strict=True)]
    opening = text[: places[0]]
    system_to_user, to_assistant, to_user = (text[ends[i] : places[i + 1]] for i in range(3))
    # The generation prompt may add to what stood before an earlier answer (an empty block of thought, say): the
    # longer form is what the model expects before it speaks.
    return opening, system_to_user, max(to_assistant, text[ends[3] :], key=len), to_user


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
