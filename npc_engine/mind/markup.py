"""What stands between the words of a conversation, taken apart from the model's own chat template.

A prompt that is only ever appended to can't be rendered anew each turn: the ids the model has seen would change under
it. So the template is rendered once, around marks in place of words, and cut at the marks.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from npc_engine.errors import OperatorError
from npc_engine.inference.tokenizer import Tokenizer

_MARKS = ("@mark-a@", "@mark-b@", "@mark-c@", "@mark-d@")
_NO_DATE = "1 January 2000"

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
    source = _template_source(folder)
    if source is None:
        raise OperatorError(
            f"The model in {folder} has no chat template, so nothing says how its conversations are written.",
            remedy="Use an instruction-tuned model, or put the template into chat_template.jinja in that folder.",
        )
    try:
        pieces = _cut(_render(source, folder, system=True)) or _cut(_render(source, folder, system=False))
    except (TemplateError, TypeError, ValueError) as error:
        raise OperatorError(
            f"The chat template of the model in {folder} can't be rendered: {error}.",
            remedy="Correct chat_template.jinja in that folder, or use another model.",
        ) from error
    if pieces is None:
        raise OperatorError(
            f"The chat template of the model in {folder} rewrites what it is given.",
            remedy="Use a model whose template writes each message as it is, in order.",
        )
    opening, system_to_user, to_assistant, to_user = (tuple(tokenizer.encode_markup(piece)) for piece in pieces)
    return Markup(opening, system_to_user, to_assistant, to_user, tuple(tokenizer.encode_text("\n")))


def _template_source(folder: Path) -> str | None:
    own_file = folder / "chat_template.jinja"
    if own_file.is_file():
        return own_file.read_text(encoding="utf-8")
    template = _configuration(folder).get("chat_template")
    if isinstance(template, list):  # several named templates
        template = next((t["template"] for t in template if t.get("name") == "default"), None)
    return template if isinstance(template, str) else None


def _render(source: str, folder: Path, *, system: bool) -> str:
    system_text, first, answer, second = _MARKS
    if system:
        messages = [_message("system", system_text), _message("user", first)]
    else:
        # Models without a system role read what it would say at the head of the first message.
        messages = [_message("user", f"{system_text}\n\n{first}")]
    messages += [_message("assistant", answer), _message("user", second)]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.globals["raise_exception"] = _raise
    # A date in the prompt would change every night, and with it the prefix of every conversation.
    environment.globals["strftime_now"] = lambda _format: _NO_DATE
    try:
        return environment.from_string(source).render(
            messages=messages, add_generation_prompt=True, enable_thinking=False, **_special_tokens(folder)
        )
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


def _special_tokens(folder: Path) -> dict[str, str]:
    config = _configuration(folder)
    names = ("bos_token", "eos_token", "pad_token", "unk_token")
    tokens = {name: config.get(name) for name in names}
    return {
        name: str(token["content"] if isinstance(token, dict) else token) for name, token in tokens.items() if token
    }


def _configuration(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise OperatorError(
            f"{path} can't be read: {error}.", remedy="Delete the model's folder so that it is fetched anew."
        ) from error


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
