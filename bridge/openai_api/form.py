"""How completions look on the wire. A stream repeats all but a few characters, so the rest is written once for it."""

import json
import time
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from npc_engine.inference.request import FinishReason, Usage

DONE = b"data: [DONE]\n\n"

_REASONS = {FinishReason.LENGTH: "length"}
_GAP = "\0"


class Form:
    """One completion's: ``object`` names, id, model and time are the same in all that is said about it."""

    whole_object, chunk_object, prefix = "text_completion", "text_completion", "cmpl"

    def __init__(self, request_id: str, model: str, *, usage_asked: bool) -> None:
        self._head = {"id": f"{self.prefix}-{request_id}", "created": int(time.time()), "model": model}
        self._usage_asked = usage_asked
        before, _, after = self._event([self.choice(_GAP, None)]).partition(json.dumps(_GAP))
        self._before, self._after = before, after

    def opening(self) -> bytes:
        """The beginning of a stream."""
        return b""

    def piece(self, text: str) -> bytes:
        """Some more text in a stream."""
        return (self._before + quoted(text) + self._after).encode()

    def closing(self, finish: FinishReason, usage: Usage) -> bytes:
        """The end of a stream."""
        end = self._event([self.ending(reason_of(finish))])
        if self._usage_asked:
            end += self._event([], _usage(usage))
        return end.encode() + DONE

    def whole(self, text: str, finish: FinishReason, usage: Usage) -> bytes:
        """All of it at once."""
        choices = [self.whole_choice(text, reason_of(finish))]
        return _dump({**self._head, "object": self.whole_object, "choices": choices, "usage": _usage(usage)}).encode()

    def choice(self, text: str, reason: str | None) -> dict[str, Any]:
        """A choice of a stream with some text."""
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}

    def ending(self, reason: str) -> dict[str, Any]:
        """The last choice of a stream."""
        return self.choice("", reason)

    def whole_choice(self, text: str, reason: str) -> dict[str, Any]:
        """The one choice of an answer that comes at once."""
        return self.choice(text, reason)

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> str:
        content = {**self._head, "object": self.chunk_object, "choices": choices}
        if self._usage_asked:
            content["usage"] = usage
        return f"data: {_dump(content)}\n\n"


class ChatForm(Form):
    """The same for a conversation."""

    whole_object, chunk_object, prefix = "chat.completion", "chat.completion.chunk", "chatcmpl"

    def opening(self) -> bytes:
        """See Form."""
        return self._event([self._delta({"role": "assistant", "content": ""}, None)]).encode()

    def choice(self, text: str, reason: str | None) -> dict[str, Any]:
        """See Form."""
        return self._delta({"content": text}, reason)

    def ending(self, reason: str) -> dict[str, Any]:
        """See Form."""
        return self._delta({}, reason)

    def whole_choice(self, text: str, reason: str) -> dict[str, Any]:
        """See Form."""
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}

    def _delta(self, delta: dict[str, str], reason: str | None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def event(content: dict[str, Any]) -> bytes:
    """Anything else in a stream."""
    return f"data: {_dump(content)}\n\n".encode()


def reason_of(finish: FinishReason) -> str:
    """OpenAI's word for why a completion ended."""
    return _REASONS.get(finish, "stop")


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def _dump(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"))
