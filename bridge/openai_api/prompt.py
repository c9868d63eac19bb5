"""From messages to token ids that only ever grow at their end.

Clients send the whole conversation each time. What the engine computed for it last time serves again as far as the
ids are the same, so the ids of an answer must be those that the model sampled, and not those that a tokenizer would
choose for its text. They are remembered under the conversation that led to them.
"""

import asyncio
import hashlib
from array import array
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

from bridge.openai_api.body import Message
from bridge.openai_api.layout import Layout, Piece, Place, lay_out
from bridge.openai_api.recent import Recent
from bridge.openai_api.refusal import Refusal
from npc_engine.inference.tokenizer import Tokenizer
from npc_engine.mind.chat_template import ChatTemplate
from npc_engine.mind.markup import Ids

_T = TypeVar("_T")

REMEMBERED = 1 << 20
"""Tokens of answers that are remembered, and as many of other messages: 4 MB each."""

_LAYOUTS = 512

_LONG = 8192
"""Characters that take a tokenizer some milliseconds: more go to another thread, or pings would wait for them."""

_MOST_CUT = 64
"""Tokens that a stop string may have taken away from an answer's end."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as the model gave it: the markup that it began after, and its ids."""

    opening: Piece
    ids: "array[int]"

    def __len__(self) -> int:
        return len(self.ids)


class Prompt(NamedTuple):
    """``ids`` to continue; ``opening`` is the markup at their end; ``key`` stands for the conversation."""

    ids: Ids
    opening: Piece
    key: bytes


class PromptWriter:
    """Writes prompts for one model, and remembers what it has answered."""

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer, remembered: int = REMEMBERED) -> None:
        self._tokenizer = tokenizer
        self._layout = lru_cache(_LAYOUTS)(lambda roles: lay_out(template, tokenizer, roles))
        self._words: Recent[str, array[int]] = Recent(remembered)
        self._said: Recent[bytes, Said] = Recent(remembered)

    async def write(self, messages: Sequence[Message], user: str = "") -> Prompt:
        """The prompt of a conversation. ``user`` keeps it apart from others of the same words. Raises Refusal."""
        layout = self._lay_out(messages)
        keys = _keys(messages, user)
        said = {i: self._said.get(keys[i]) for i, message in enumerate(messages) if message.role == "assistant"}
        places = [part for part in layout if isinstance(part, Place) and not said.get(part.message)]
        words = {place.message: place.trim(messages[place.message].content) for place in places}
        encoded = await self._encode(set(words.values()))
        ids: list[int] = []
        piece = Piece("", ())
        for part in layout:
            if isinstance(part, Piece):
                piece = part
                ids += piece.ids
            elif (answer := said.get(part.message)) is None:
                ids += encoded[words[part.message]]
            else:
                if answer.opening.text != piece.text and answer.opening.text.startswith(piece.text):
                    # What an answer is begun with (an empty block of thought, say) may be left out of it afterwards.
                    del ids[len(ids) - len(piece.ids) :]
                    ids += answer.opening.ids
                ids += answer.ids
        return Prompt(tuple(ids), piece, keys[-1])

    def remember(self, prompt: Prompt, text: str, ids: Sequence[int], *, cut: bool) -> None:
        """``prompt`` was answered with ``text``, for which the model sampled ``ids``. ``cut``: and a stop string."""
        kept = self._without_stop(text, ids) if cut else ids
        if kept is not None:
            self._said.put(_key(prompt.key, "assistant", text), Said(prompt.opening, array("i", kept)))

    def _without_stop(self, text: str, ids: Sequence[int]) -> list[int] | None:
        """Of ``ids`` those that spell ``text``. A token that reached into the stop string is replaced."""
        kept = list(ids)
        for _ in range(min(_MOST_CUT, len(kept)) + 1):
            spelt = self._tokenizer.decode(kept)
            if text.startswith(spelt):
                return kept + self._tokenizer.encode_text(text[len(spelt) :])
            kept.pop()
        return None

    def _lay_out(self, messages: Sequence[Message]) -> Layout:
        try:
            return self._layout(tuple(message.role for message in messages))
        except ValueError as error:
            raise Refusal(
                400,
                f"The model's chat template has no form for messages of these roles in this order: {error}. "
                "Begin with a system message, if any, and let user and assistant take turns.",
                param="messages",
                code="unsupported_messages",
            ) from None

    async def _encode(self, texts: Set[str]) -> "dict[str, array[int]]":
        """The ids of each of ``texts``."""
        found = {text: self._words.get(text) for text in texts}
        missing = [text for text, ids in found.items() if ids is None]
        encoded = await unhurried(sum(map(len, missing)), partial(_encode, self._tokenizer, missing))
        for text, ids in encoded.items():
            self._words.put(text, ids)
        return encoded | {text: ids for text, ids in found.items() if ids is not None}


async def unhurried(characters: int, work: Callable[[], _T]) -> _T:
    """Have ``characters`` tokenized by ``work``, in another thread if that takes longer than others should wait."""
    return await asyncio.to_thread(work) if characters > _LONG else work()


def _encode(tokenizer: Tokenizer, texts: Sequence[str]) -> "dict[str, array[int]]":
    return {text: array("i", tokenizer.encode_text(text)) for text in texts}


def _keys(messages: Sequence[Message], user: str) -> list[bytes]:
    """What stands for the conversation up to and including each message."""
    keys, key = [], user.encode()
    for message in messages:
        key = _key(key, message.role, message.content)
        keys.append(key)
    return keys


def _key(before: bytes, role: str, content: str) -> bytes:
    # Clients trim what they are given before they show it, and send it back trimmed.
    return hashlib.blake2b(f"{role}\0{content.strip()}".encode(), key=_short(before), digest_size=16).digest()


def _short(key: bytes) -> bytes:
    return key if len(key) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.blake2b(key).digest()
