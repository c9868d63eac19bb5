"""Parses a model's reply as it streams. Sans-I/O: text in, deltas and sentences out.

The text passes through stages, one character at a time, so that it makes no difference how it was cut into
pieces:

    control tokens -> speakers' marks -> narration -> whitespace, quotes, sentences, repetition

Each stage holds back only what may still become something that must not be shown, within fixed bounds, so the
whole takes time proportional to the text.
"""

from collections.abc import Collection
from typing import Literal

from npc_engine.mind.control import ControlTokens, ControlWatch
from npc_engine.mind.narration import Narration
from npc_engine.mind.speakers import Speakers, TurnWatch
from npc_engine.mind.speech import Delta, EndReason, Sentence, Speech

__all__ = ["Delta", "EndReason", "ReplyParser", "Sentence"]

_LINE_ENDS = "\n\v\f\x85\u2028\u2029"
# Zero-width space, word joiner, byte order mark. The zero-width joiner stays: it makes emoji.
_INVISIBLE = "\u200b\u2060\ufeff"


class ReplyParser:
    """Makes of what the model writes what the NPC says.

    - Nothing of ``control_tokens`` (the chat template's) is ever shown; one of them ends the reply. - The NPC
    speaks for nobody else: a mark such as ``Alex:`` of one of ``other_names`` or of a role ends the reply.
    Its own mark is dropped. - With ``narration="strip"`` stage directions in asterisks are dropped; with
    ``"keep"`` they stay as they are. - Quotes around the speech are dropped; whitespace, line ends included,
    becomes single spaces. - The reply ends after ``max_sentences``, and when it repeats itself; the
    repetition is dropped as far as it was not shown.

    All deltas together are ``text``, always. All sentences together are ``text`` after ``finish`` or once
    ``finished``, but for the spaces between them.
    """

    def __init__(
        self,
        npc_name: str,
        other_names: Collection[str] = (),
        *,
        narration: Literal["keep", "strip"] = "strip",
        max_sentences: int | None = None,
        control_tokens: Collection[str] = (),
    ) -> None:
        control = ControlTokens.of(frozenset(control_tokens))
        self._control = ControlWatch(control)
        self._turns = TurnWatch(Speakers.of(npc_name, frozenset(other_names) - {npc_name}))
        self._narration = Narration() if narration == "strip" else None
        self._speech = Speech(control, max_sentences)
        self._reason: EndReason | None = None
        self._ended = False
        self._shown: list[str] = []

    @property
    def reason(self) -> EndReason | None:
        """Why the reply is over before the model ended it; None if it isn't."""
        return self._reason or self._speech.reason

    @property
    def finished(self) -> bool:
        """Whether the rest of what the model writes is of no use: generation should be cancelled."""
        return self.reason is not None

    @property
    def text(self) -> str:
        """What was shown so far: all deltas together."""
        return "".join(self._shown)

    def feed(self, text: str) -> list[Delta | Sentence]:
        """Take the next piece of the model's text; return what can be shown. Nothing once it is over."""
        for char in text:
            if self._ended:
                break
            self._push(char)
        return self._take()

    def finish(self, *, cut: bool = False) -> list[Delta | Sentence]:
        """End the reply; return what was held back. Harmless when called again.

        ``cut`` says that the model was stopped in the middle, by a limit of tokens or of time. What was shown
        can't be taken back, so a half sentence stays if any of it was in a delta, or if it is all there is,
        and then is the last ``Sentence``. Otherwise it is dropped.
        """
        if not self._ended:
            if self._control.at_end() == "show":
                self._to_turns(self._control.held)
            self._end(cut=cut)
        return self._take()

    def _push(self, char: str) -> None:
        if char in _LINE_ENDS:
            char = "\n"
        elif char.isspace():
            char = " "
        elif not char.isprintable() and _is_unshowable(char):
            return
        held = self._control.held
        if self._control.add(char):
            self._to_turns((held + char).removesuffix(self._control.completed()))
            self._reason = self._reason or self._speech.reason or "control"
            self._end(cut=False)
        else:
            self._to_turns((held + char).removesuffix(self._control.held))

    def _to_turns(self, text: str) -> None:
        for char in text:
            if self._ended:
                return
            self._to_narration(self._turns.push(char))
            if self._turns.stopped:
                self._reason = self._speech.reason or "speaker"
            if self.finished:
                self._end(cut=False)

    def _to_narration(self, text: str) -> None:
        for char in text:
            for passed in self._narration.push(char) if self._narration else char:
                self._speech.push(passed)

    def _end(self, *, cut: bool) -> None:
        if self._ended:
            return
        self._ended = True
        self._to_narration(self._turns.finish(cut=cut))
        for passed in self._narration.finish() if self._narration else "":
            self._speech.push(passed)
        self._speech.finish(cut=cut)

    def _take(self) -> list[Delta | Sentence]:
        events = self._speech.take()
        self._shown.extend(event.text for event in events if isinstance(event, Delta))
        return events


def _is_unshowable(char: str) -> bool:
    """Whether ``char`` is a control character, half of a surrogate pair, or invisible to no purpose."""
    return char < " " or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff" or char in _INVISIBLE
