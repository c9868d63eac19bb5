"""What clients send. Every field may be missing or null; fields that nobody here knows are ignored."""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from bridge.openai_api.refusal import Refusal
from bridge.protocol.base import Integer, Part, is_unicode
from bridge.protocol.explain import describe, explain

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_MAX_STOPS = 64
_MOST_TOKENS = "the most tokens to answer with, or -1 to name no limit"
_PENALTY = "how much to avoid words, from -2 to 2, 0 for not at all"


def _unicode(text: str) -> str:
    if not is_unicode(text):
        raise PydanticCustomError("string_unicode", "expected whole characters")
    return text


def _content(value: Any) -> Any:
    """The text of a message: a string, nothing, or a list of text parts, which stand below each other."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return value
    return "\n".join(map(_part, value))


def _part(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text" and isinstance(value.get("text"), str):
        return str(value["text"])
    if isinstance(kind, str) and kind != "text":
        raise PydanticCustomError(
            "part", "this model reads text only, and one part has the type {kind}", {"kind": kind}
        )
    raise PydanticCustomError("part", 'expected a string, or parts such as {"type": "text", "text": "Hello"}')


def _role(value: Any) -> Any:
    if isinstance(value, str) and value not in _ROLES:
        raise PydanticCustomError("role", "expected system, developer, user or assistant")
    return _ROLES[value] if isinstance(value, str) else value


def _stops(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _prompt(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, str):
        return _unicode(value)
    if isinstance(value, list) and value and all(type(i) is int and i >= 0 for i in value):
        return value
    raise PydanticCustomError("prompt", "expected one string, or one list of token ids")


Text = Annotated[str, AfterValidator(_unicode)]


class Message(Part):
    """One message of a conversation, of a role that every chat template has a place for."""

    role: Annotated[str, BeforeValidator(_role)]
    content: Annotated[Text, BeforeValidator(_content)] = ""
    tool_calls: list[Any] | None = None


class StreamOptions(Part):
    """How to stream."""

    include_usage: bool | None = None


class Body(Part):
    """What both kinds of completion take."""

    model: Any = None
    max_tokens: Integer | None = Field(None, ge=-1, description=_MOST_TOKENS)
    temperature: float | None = Field(
        None, ge=0, le=2, description="how freely to choose, from 0 for the likeliest token to 2"
    )
    top_p: float | None = Field(None, ge=0, le=1, description="the share of likely tokens to choose among, from 0 to 1")
    top_k: Integer | None = Field(None, ge=-1, description="how many likely tokens to choose among, 0 or -1 for all")
    min_p: float | None = Field(
        None, ge=0, le=1, description="the least likelihood, as a share of the likeliest, from 0 to 1"
    )
    repetition_penalty: float | None = Field(
        None, ge=0.1, le=10, description="how much to avoid words, from 0.1 to 10, 1 for not at all"
    )
    frequency_penalty: float | None = Field(None, ge=-2, le=2, description=_PENALTY)
    presence_penalty: float | None = Field(None, ge=-2, le=2, description=_PENALTY)
    stop: Annotated[list[Text], Field(max_length=_MAX_STOPS), BeforeValidator(_stops)] | None = Field(
        None, description="a string that ends the answer, or a list of them"
    )
    seed: Integer | None = Field(None, description="a whole number; the same one gives the same answer")
    ignore_eos: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Integer | None = None
    user: Text | None = Field(None, description="whose conversation it is")
    logit_bias: Any = None

    @property
    def longest(self) -> int | None:
        """The most tokens to answer with, None for as many as fit."""
        return None if self.max_tokens in (None, -1) else self.max_tokens

    def check(self) -> None:
        """Raise Refusal for what would change the answer and can't be done here."""
        if self.n not in (None, 1):
            raise _unsupported("n", "one answer comes to a request: leave n out, or send the request again")
        if self.logit_bias:
            raise _unsupported("logit_bias", "tokens can't be made likelier one by one: leave logit_bias out")


_B = TypeVar("_B", bound=Body)


class ChatBody(Body):
    """A conversation to continue."""

    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: Integer | None = Field(None, ge=-1, description=_MOST_TOKENS)
    response_format: Any = None
    tool_choice: Any = None
    logprobs: Any = None

    @property
    def longest(self) -> int | None:
        """See Body."""
        longest = self.max_completion_tokens
        return super().longest if longest in (None, -1) else longest

    def check(self) -> None:
        """See Body."""
        super().check()
        for i, message in enumerate(self.messages):
            if message.tool_calls:
                raise _unsupported(f"messages[{i}].tool_calls", "tools aren't called here: send what was said as text")
        kind = self.response_format.get("type") if isinstance(self.response_format, dict) else self.response_format
        if kind not in (None, "text"):
            raise _unsupported("response_format", "answers are text: leave it out and ask for the form in words")
        if self.tool_choice not in (None, "auto", "none"):
            raise _unsupported("tool_choice", "tools aren't called here: leave it out, or say auto or none")
        if self.logprobs:
            raise _unsupported("logprobs", "likelihoods aren't told: leave it out")


class TextBody(Body):
    """A text to continue, as it is: whoever sends it writes the chat template's control tokens."""

    prompt: Annotated[Any, BeforeValidator(_prompt)] = Field(description="the text to continue")
    echo: Any = None
    suffix: Any = None
    logprobs: Any = None
    best_of: Any = None

    def check(self) -> None:
        """See Body."""
        super().check()
        for name, plain in (("echo", False), ("suffix", ""), ("logprobs", 0), ("best_of", 1)):
            if getattr(self, name) not in (None, plain):
                raise _unsupported(name, f"this can't be done here: leave {name} out")


def read_body(kind: type[_B], value: object) -> _B:
    """``value``, as JSON gave it, as a ``kind``. Raises Refusal that names the field."""
    if not isinstance(value, dict):
        raise Refusal(400, f"The request's body: expected a map, got {describe(value)}.", code="invalid_value")
    try:
        body = kind.model_validate(value)
    except ValidationError as error:
        path, message = explain(kind, error)
        raise Refusal(400, message, param=path, code="invalid_value") from None
    body.check()
    return body


def _unsupported(param: str, what: str) -> Refusal:
    return Refusal(400, f"`{param}`: {what}.", param=param, code="unsupported_value")
