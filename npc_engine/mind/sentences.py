"""Tells where sentences end, one character at a time.

A stop and a space end a sentence, at once. Two cases wait for the next character, because speech may go on in
lower case after them: an ellipsis ("Well... yes"), and a stop inside a closing quote or bracket. Chinese and
Japanese stops need no space. Abbreviations, initials, decimals and the numbers of a list don't end a
sentence.
"""

STOPS = ".!?…。！？｡"
WIDE_STOPS = "。！？｡"
CLOSERS = "\"'”’»)]*_」』）"

_ABBREVIATIONS = frozenset(
    (
        "mr",
        "mrs",
        "ms",
        "mx",
        "dr",
        "st",
        "ste",
        "prof",
        "rev",
        "hon",
        "sr",
        "jr",
        "capt",
        "cpt",
        "lt",
        "sgt",
        "col",
        "gen",
        "maj",
        "gov",
        "pres",
        "messrs",
        "mt",
        "ft",
        "vs",
        "etc",
        "approx",
        "ca",
        "cf",
        "al",
        "inc",
        "ltd",
        "co",
        "e.g",
        "i.e",
        "a.m",
        "p.m",
        "u.s",
    )
)
_LONGEST_WORD = 16


class SentenceEnds:
    """Follows one sentence; make a new one, or ``reset``, for the next."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin with the next sentence."""
        self.speaks = False  # holds a letter or digit, and so is more than punctuation
        self._word = ""
        self._words = 0
        self._stop = ""
        self._closed = False

    def add(self, char: str) -> None:
        """Take the next character of the sentence."""
        if char in STOPS:
            self._stop = char if self._closed else (self._stop + char)[-_LONGEST_WORD:]
            self._closed = False
        elif self._stop and char in CLOSERS:
            self._closed = True
        elif char == " ":
            self._word = self._stop = ""
            self._closed = False
        else:
            self._words += not self._word
            self._word = (self._word + self._stop + char)[-_LONGEST_WORD:]
            self._stop = ""
            self._closed = False
            self.speaks = self.speaks or char.isalnum()

    @property
    def complete(self) -> bool:
        """Whether the sentence could end here, were there nothing after it."""
        return self.speaks and bool(self._stop)

    def ends_at_space(self) -> bool:
        """Whether a space here ends the sentence, whatever comes after."""
        return self.complete and not self._waits() and not self._is_abbreviation()

    def ends_before(self, char: str, *, spaced: bool) -> bool:
        """Whether the sentence ends before ``char``, with a space in between or not."""
        if not self.complete:
            return False
        if self._stop[-1] in WIDE_STOPS:
            return char not in STOPS and char not in CLOSERS
        return spaced and self._waits() and not char.islower() and not self._is_abbreviation()

    def _waits(self) -> bool:
        return self._closed or "…" in self._stop or ".." in self._stop

    def _is_abbreviation(self) -> bool:
        if self._stop != ".":
            return False
        word = self._word.lstrip("\"'“‘«(*_").casefold()
        initial = len(word) == 1 and word.isalpha() and word != "i"
        return initial or word in _ABBREVIATIONS or (word.isdecimal() and self._words == 1)
