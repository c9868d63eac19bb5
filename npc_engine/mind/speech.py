"""The clean text of a reply, as it grows: whitespace, quotes, sentences, repetition, and what may be shown when."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from npc_engine.mind.control import ControlTokens, ControlWatch
from npc_engine.mind.narration import GAP
from npc_engine.mind.repetition import Cycles, SaidSentences, Standing
from npc_engine.mind.sentences import SentenceEnds

EndReason = Literal["speaker", "sentences", "loop", "control"]

# Opening quotes that a reply may be wrapped in, each with the pair that then is dropped. Not the apostrophe:
# "'Tis".
_QUOTES = {'"': '"', "“": "“”", "„": "„“”", "«": "«»", "「": "「」", "『": "『』"}
# Closes up with the word before it once the narration in between is gone.
_CLINGING = ",.;:!?…"
_STRAY_AT_START = ",;:"


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the reply's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """The next whole sentence, without the space around it. Its text was in deltas before."""

    text: str


class Speech:
    """Takes characters, ``GAP`` among them, and makes ``Delta`` and ``Sentence`` of them.

    The last part of the text is held back while it may have to go: the beginning of a control token, a
    sentence that so far is like an earlier one, words that have gone round twice.
    """

    def __init__(self, control: ControlTokens, max_sentences: int | None) -> None:
        self.reason: EndReason | None = None
        self._max_sentences = max_sentences
        self._control = ControlWatch(control)
        self._chars: list[str] = []
        self._shown = 0
        self._events: list[Delta | Sentence] = []
        # the current sentence
        self._start = 0
        self._sentences = 0
        self._ends = SentenceEnds()
        self._said = SaidSentences()
        # repetition; the periods are in words and in characters ("hahaha...", scripts without spaces)
        self._word: list[str] = []
        self._word_cycles = Cycles(longest=16, suspect=4, loop=8)
        self._char_cycles = Cycles(longest=16, suspect=24, loop=48)
        self._held_words: int | None = None
        self._held_chars: int | None = None
        # what came since the last character that was put
        self._newlines = 0
        self._space = False
        self._gap = False
        self._dropped_quotes: Collection[str] = ""

    def push(self, char: str) -> None:
        """Take the next character. Nothing happens once there is a ``reason``."""
        if self.reason is not None:
            return
        if char == GAP or char.isspace():
            self._push_space(char)
        elif self._is_dropped(char):
            return
        elif self._ends.ends_before(char, spaced=self._space):
            self._end_word()
            self._end_sentence()
            self._push_visible(char)
        else:
            self._push_visible(char)

    def take(self) -> list[Delta | Sentence]:
        """What may be shown by now and was not taken yet."""
        self._show(self._safe())
        events, self._events = self._events, []
        return events

    def finish(self, *, cut: bool) -> None:
        """End the text. If it was ``cut`` short, a sentence begun but not shown goes, unless it is the first."""
        if self.reason is not None:
            return
        if self._control.at_end() == "drop":
            self._truncate(len(self._chars) - len(self._control.held))
        self._end_word()
        if cut and self._sentences and self._shown <= self._start and not self._ends.complete:
            self._truncate(self._start)
        self._end_sentence()
        if self.reason == "sentences":
            self.reason = None  # the model had no more to say

    def _push_space(self, char: str) -> None:
        self._space = True
        self._gap = self._gap or char == GAP
        self._newlines += char == "\n"
        self._end_word()
        blank_line = self._newlines > 1 and self._ends.speaks
        if self.reason is None and (blank_line or self._ends.ends_at_space()):
            self._end_sentence()

    def _is_dropped(self, char: str) -> bool:
        if not self._chars and not self._dropped_quotes and char in _QUOTES:
            # A reply that begins with a quote puts its speech in quotes. All of the kind go: the end of the
            # reply, where the last one would tell, is too far to wait for.
            self._dropped_quotes = _QUOTES[char]
        if char in self._dropped_quotes:
            return True
        if not self._gap:
            return False
        if not self._chars:
            return char in _STRAY_AT_START
        if char in _CLINGING:
            self._space = False
        return False

    def _push_visible(self, char: str) -> None:
        if self._space and self._chars:
            self._put(" ")
        self._space = self._gap = False
        self._newlines = 0
        if char.isalnum():
            self._word.append(char.casefold())
        self._put(char)

    def _put(self, char: str) -> None:
        if self.reason is not None:
            return
        self._chars.append(char)
        if self._control.add(char):
            self._truncate(len(self._chars) - len(self._control.completed()))
            self._stop("control")
            return
        self._ends.add(char)
        self._said.add(char)
        self._held_chars = self._watch(self._char_cycles, char, self._held_chars, len(self._chars) - 1)

    def _end_word(self) -> None:
        if self._word and self.reason is None:
            word = "".join(self._word)
            self._word = []
            self._held_words = self._watch(self._word_cycles, word, self._held_words, len(self._chars))

    def _watch(self, cycles: Cycles, item: str, held: int | None, here: int) -> int | None:
        """Add ``item`` to ``cycles``; return where the text is held back from now, if it is."""
        standing = cycles.add(item)
        if standing is Standing.LOOP:
            self._truncate(here if held is None else held)
            self._stop("loop")
        if standing is Standing.FREE:
            return None
        return here if held is None else held

    def _end_sentence(self) -> None:
        """Show the current sentence whole, unless it was said before."""
        if self.reason is not None or len(self._chars) == self._start:
            return
        if self._said.end():
            self._truncate(self._start)
            self._stop("loop")
            return
        self._close_sentence()
        if self._sentences == self._max_sentences:
            self.reason = "sentences"

    def _close_sentence(self) -> None:
        text = "".join(self._chars[self._start :]).strip()
        if text:
            self._show(len(self._chars))
            self._events.append(Sentence(text))
            self._sentences += 1
        self._start = len(self._chars)
        self._ends.reset()

    def _stop(self, reason: EndReason) -> None:
        self.reason = reason
        self._close_sentence()

    def _truncate(self, length: int) -> None:
        """Drop what is past ``length``, as far as it wasn't in a sentence that is out already."""
        length = max(length, self._start)
        while length > self._start and self._chars[length - 1] == " ":
            length -= 1
        del self._chars[length:]

    def _safe(self) -> int:
        """How much of the text may be shown, whatever comes."""
        if self.reason is not None:
            return len(self._chars)
        safe = len(self._chars) - len(self._control.held)
        for held in (self._held_words, self._held_chars):
            if held is not None:
                safe = min(safe, held)
        if self._said.may_repeat:
            safe = min(safe, self._start)
        safe = max(safe, self._start)
        # A space is shown only with what follows it, so that the text never ends with one.
        while safe > self._start and self._chars[safe - 1] == " ":
            safe -= 1
        return safe

    def _show(self, length: int) -> None:
        if length > self._shown:
            self._events.append(Delta("".join(self._chars[self._shown : length])))
            self._shown = length
