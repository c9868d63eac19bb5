"""Text to token ids and back.

Two encoders over one vocabulary: ``markup`` for the engine's own text, in which the chat template's control tokens are
meant, and ``text`` for what players and designers write, in which they are ordinary characters and always stay so.
"""

from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer as _Tokenizer
from tokenizers.decoders import DecodeStream

from npc_engine.errors import OperatorError


class Tokenizer:
    """The tokenizer of a model folder. Safe to use from several threads for encoding."""

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        try:
            self._markup = _Tokenizer.from_file(str(path))
            self._text = _twin(self._markup) or _Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise OperatorError(
                f"{path} can't be read: {error}.",
                remedy="Delete the model's folder so that it is fetched anew.",
            ) from error
        self._text.encode_special_tokens = True
        self._control = {token.content: i for i, token in sorted(self._markup.get_added_tokens_decoder().items())}
        self.control_tokens = tuple(self._control)

    @property
    def vocab_size(self) -> int:
        """Ids there are, control tokens included."""
        return int(self._markup.get_vocab_size())

    @cached_property
    def longest(self) -> int:
        """Characters of the longest token: so many times as long as its number of tokens a text may be at most."""
        return max(map(len, self._markup.get_vocab()))

    def encode_markup(self, text: str) -> list[int]:
        """Ids of template text; control tokens in it are control tokens. Adds nothing at either end."""
        return list(self._markup.encode(text, add_special_tokens=False).ids)

    def encode_whole(self, text: str) -> list[int]:
        """Ids of a whole prompt that somebody has put together: markup, after what the model begins every text with."""
        ids = list(self._markup.encode(text, add_special_tokens=True).ids)
        # Whoever spells the beginning out does not want it twice.
        return ids[1:] if len(ids) > 1 and ids[0] == ids[1] and ids[0] in self._control.values() else ids

    def encode_text(self, text: str) -> list[int]:
        """Ids of someone's words. No control token ever comes out, whatever they wrote."""
        ids = list(self._text.encode(text, add_special_tokens=False).ids)
        forbidden = set(self._control.values())
        if forbidden.isdisjoint(ids):
            return ids
        # Tokens that a model adds without calling them special are still matched: break their spelling.
        for content in self._control:
            text = text.replace(content, content[0] + "\u200b" + content[1:])
        ids = list(self._text.encode(text, add_special_tokens=False).ids)
        return [i for i in ids if i not in forbidden]

    def decode(self, ids: list[int]) -> str:
        """Text of ids, control tokens included as they are spelt."""
        return str(self._markup.decode(ids, skip_special_tokens=False))

    def detokenizer(self) -> "Detokenizer":
        """A fresh incremental decoder."""
        return Detokenizer(self._markup)


class Detokenizer:
    """Turns ids into text one by one; bytes of a half-finished character wait for the rest."""

    def __init__(self, tokenizer: _Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=False)

    def feed(self, token_id: int) -> str:
        """The text that ``token_id`` completes, often all of its own."""
        try:
            return self._stream.step(self._tokenizer, token_id) or ""
        except Exception:  # the library raises bare Exception
            # Where unknown characters are spelt byte by byte, a broken one spoils the one before it, which has been
            # passed on. What waited is given up, and the text goes on from here.
            self._stream = DecodeStream(skip_special_tokens=False)
            return self._stream.step(self._tokenizer, token_id) or ""


class StopFinder:
    """Finds the first of some stop strings in a stream of text, and holds back what could become one."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def feed(self, text: str) -> tuple[str, bool]:
        """Text that is safe to pass on, and whether a stop string was reached (it and the rest are swallowed)."""
        if not self._stops:
            return text, False
        self._held += text
        places = [at for at in (self._held.find(stop) for stop in self._stops) if at >= 0]
        if places:
            return self._held[: min(places)], True
        keep = max(_overlap(self._held, stop) for stop in self._stops)
        ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return ready, False

    def flush(self) -> str:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, ""
        return held


def _twin(tokenizer: _Tokenizer) -> _Tokenizer | None:
    """One that takes text apart alike, over the same vocabulary in memory; None where that can't be had."""
    twin = _Tokenizer(tokenizer.model)
    if tokenizer.normalizer is not None:
        twin.normalizer = tokenizer.normalizer
    if tokenizer.pre_tokenizer is not None:
        twin.pre_tokenizer = tokenizer.pre_tokenizer
    added = tokenizer.get_added_tokens_decoder()
    twin.add_tokens([token for _, token in sorted(added.items())])
    # Tokens beyond the model's own vocabulary are numbered as they are added: a mind must not see two numberings.
    return twin if twin.get_added_tokens_decoder() == added else None


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that is a beginning of ``stop``."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
