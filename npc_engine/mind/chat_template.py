"""A model's own chat template: messages in, the text out that the model was taught to read them as."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from npc_engine.errors import OperatorError
from npc_engine.inference.model.folder import chat_template

RENDERING_ERRORS = (TemplateError, TypeError, ValueError)
"""What a template raises that is broken, or that refuses the messages it is given."""

_NO_DATE = "1 January 2000"


class ChatTemplate:
    """Writes conversations. ``special_tokens`` are what the template calls ``bos_token`` and the like."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        """Raises TemplateError for a source that is no template."""
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals["raise_exception"] = _raise
        # A date in the prompt would change every night, and with it the prefix of every conversation.
        environment.globals["strftime_now"] = lambda _format: _NO_DATE
        self._template = environment.from_string(source)
        self._special_tokens = dict(special_tokens)

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """``messages`` (``role`` and ``content``) up to where the next answer begins. Raises RENDERING_ERRORS."""
        return self._template.render(
            messages=messages, add_generation_prompt=True, enable_thinking=False, **self._special_tokens
        )


def read_chat_template(folder: Path) -> ChatTemplate:
    """The chat template of the model in ``folder``. Raises OperatorError when it has none, or one that is broken."""
    source = chat_template(folder)
    try:
        return ChatTemplate(source, _special_tokens(folder))
    except TemplateError as error:
        raise cannot_render(folder, error) from error


def cannot_render(folder: Path, error: Exception) -> OperatorError:
    """What the operator is told about a template that fails."""
    return OperatorError(
        f"The chat template of the model in {folder} can't be rendered: {error}.",
        remedy="Correct chat_template.jinja in that folder, or use another model.",
    )


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
