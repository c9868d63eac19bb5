"""Recognises the marks by which a model begins to speak as somebody: ``Alex:``, ``**Alex**:``, ``[Alex]``.

A mark is looked for only where a turn can begin: at the start of a line, and after a sentence. There the text
is held back for as long as it may still become a mark, which for ordinary speech is a character or two. Names
match as whole names, never inside other words, and a colon after anything else ("Listen: ...") is only a
colon.
"""

from collections.abc import Collection, Iterable
from enum import Enum, auto
from functools import lru_cache

# Before a name, and how many of them: "**", "- ", "> [".
_OPENERS = "*_[(<#>-"
_OPENERS_LIMIT = 6
_EMPHASIS = "*_"
_COLONS = ":："
_VERBS = (
    "says",
    "said",
    "asks",
    "asked",
    "replies",
    "replied",
    "answers",
    "answered",
    "responds",
    "whispers",
    "shouts",
)
# An aside is a short one: Alex (with a look at the door), and then the colon.
_ASIDE_LIMIT = 40

# Roles that models were trained on. The first group is the NPC itself when a reply begins with it.
_OWN_ROLES = ("assistant", "ai", "npc", "character")
_OTHER_ROLES = ("player", "user", "you", "human", "system", "narrator")
# Too common as words to stand for a person, should they be part of a name.
_NO_NAMES = frozenset({"the", "old", "young", "and", "von", "van", "der", "aus"})
_SHORTEST_ALIAS = 3

_STOPS = ".!?…。！？"
_WIDE_STOPS = "。！？"
_CLOSERS = "\"'”’»)]_」』）"


class Place(Enum):
    """Where in the reply a mark might stand."""

    REPLY = auto()
    LINE = auto()
    SENTENCE = auto()


class Verdict(Enum):
    """What a piece of text at such a place is."""

    SPEECH = auto()
    UNDECIDED = auto()
    OWN_MARK = auto()
    OTHER_MARK = auto()


class Speakers:
    """The names that may stand in a mark.

    At the start of a line they are matched without regard to case, and roles ("User:") count too. After a
    sentence on the same line only the names of others count, spelled as they are.
    """

    def __init__(self, own_name: str, other_names: Collection[str]) -> None:
        own = {name.casefold() for name in _with_aliases([own_name])}
        others = _with_aliases(other_names)
        everyone = {name.casefold(): Verdict.OTHER_MARK for name in others}
        everyone.update(dict.fromkeys(_OTHER_ROLES, Verdict.OTHER_MARK))
        everyone.update(dict.fromkeys(_OWN_ROLES, Verdict.OTHER_MARK))
        everyone.update(dict.fromkeys(own, Verdict.OWN_MARK))
        at_the_start = everyone | {role: Verdict.OWN_MARK for role in _OWN_ROLES if role not in _folded(others)}
        exact = {name: Verdict.OTHER_MARK for name in others if name.casefold() not in own}
        self._names = {
            Place.REPLY: _Names(at_the_start),
            Place.LINE: _Names(everyone),
            Place.SENTENCE: _Names(exact),
        }

    @staticmethod
    @lru_cache(maxsize=256)
    def of(own_name: str, other_names: frozenset[str]) -> "Speakers":
        """The one object for these names: an NPC mostly talks to the same people."""
        return Speakers(own_name, other_names)

    def judge(self, text: str, place: Place) -> Verdict:
        """What ``text``, which begins at ``place``, is as far as one can tell by now."""
        start = 0
        while start < len(text) and (text[start] in _OPENERS or (start > 0 and text[start] == " ")):
            start += 1
        if start > _OPENERS_LIMIT:
            return Verdict.SPEECH
        if start == len(text):
            return Verdict.UNDECIDED
        names = self._names[place]
        rest = text[start:] if place is Place.SENTENCE else text[start:].casefold()
        undecided = rest in names.beginnings
        for end in range(min(len(rest), names.longest), 0, -1):
            whose = names.whose.get(rest[:end])
            if whose is None:
                continue
            is_mark = _ends_as_mark(rest[end:], text[:start], with_verbs=place is not Place.SENTENCE)
            if is_mark:
                return whose
            undecided = undecided or is_mark is None
        return Verdict.UNDECIDED if undecided else Verdict.SPEECH


class TurnWatch:
    """Passes a reply on, one character at a time, without its own marks and up to the first mark of another."""

    def __init__(self, speakers: Speakers) -> None:
        self._speakers = speakers
        self._held = ""
        self._place: Place | None = Place.REPLY
        self._held_place = Place.REPLY
        self._after_stop = False
        self._begun = False
        self.stopped = False

    def push(self, char: str) -> str:
        """Take the next character; return what may be passed on. Sets ``stopped`` at another speaker's mark."""
        if self.stopped:
            return ""
        if not self._held:
            if self._place is None or char.isspace():
                return self._pass(char)
            self._held_place = self._place
        self._held += char
        verdict = self._speakers.judge(self._held, self._held_place)
        if verdict is Verdict.UNDECIDED:
            return ""
        held, self._held = self._held, ""
        if verdict is Verdict.OTHER_MARK:
            self.stopped = True
            return ""
        if verdict is Verdict.OWN_MARK:
            return ""
        # The rest is looked at again: a name that was half matched ("Mr. ") may have a sentence's end in it.
        return self._pass(held[0]) + "".join([self.push(later) for later in held[1:]])

    def finish(self, *, cut: bool) -> str:
        """What was held back when the reply ends. If it was ``cut`` short, a half-written mark is dropped."""
        held, self._held = self._held, ""
        return "" if cut and self._held_place is Place.LINE else held

    def _pass(self, char: str) -> str:
        if char == "\n":
            self._place = Place.LINE if self._begun else Place.REPLY
        elif char.isspace():
            if self._place is None and self._after_stop:
                self._place = Place.SENTENCE
        else:
            self._begun = True
            # Narration ends with an asterisk, and whoever speaks after it begins anew.
            self._after_stop = char in _STOPS or char == "*" or (self._after_stop and char in _CLOSERS)
            self._place = Place.SENTENCE if char in _WIDE_STOPS else None
        return char


class _Names:
    """Names, each with what a mark of it means, and everything that may still become one of them."""

    def __init__(self, whose: dict[str, Verdict]) -> None:
        self.whose = whose
        self.beginnings = frozenset(name[:end] for name in whose for end in range(1, len(name)))
        self.longest = max((len(name) for name in whose), default=0)


def _with_aliases(names: Iterable[str]) -> set[str]:
    """``names``, and the first and the last word of each: models shorten "Tom Fisher" to "Tom"."""
    found = set()
    for name in names:
        words = name.split()
        if words:
            found.add(" ".join(words))
            found.update(
                word
                for word in (words[0], words[-1])
                if len(word) >= _SHORTEST_ALIAS and word.casefold() not in _NO_NAMES
            )
    return found


def _folded(names: Iterable[str]) -> set[str]:
    return {name.casefold() for name in names}


def _ends_as_mark(after: str, openers: str, *, with_verbs: bool) -> bool | None:
    """Whether what follows a name makes a mark of it; None if that can't be told yet."""
    closed = after.lstrip(_EMPHASIS)
    if closed[:1] == "]" or closed[:1] == ">":
        return ("[" if closed[0] == "]" else "<") in openers
    if closed[:1] == ")" and "(" in openers:
        closed = closed[1:].lstrip(_EMPHASIS)
    if not closed:
        return None
    if closed[0] in _COLONS:
        return True
    if closed[0] != " ":
        return False
    return _says(closed[1:], with_verbs=with_verbs)


def _says(text: str, *, with_verbs: bool) -> bool | None:
    """As ``_ends_as_mark``, for what follows a name and a space: a colon, a verb of speech or an aside."""
    if not text:
        return None
    if text[0] in _COLONS:
        # "Alex : hello" is a mark in French spacing; "Alex :)" is a smile.
        return text[1].isspace() if len(text) > 1 else None
    if not with_verbs:
        return False
    if text[0] == "(":
        aside, closing, rest = text[1:].partition(")")
        if len(aside) > _ASIDE_LIMIT or "\n" in aside:
            return False
        return _is_colon(rest) if closing else None
    for verb in _VERBS:
        if text.startswith(verb):
            return _is_colon(text[len(verb) :])
    return None if any(verb.startswith(text) for verb in _VERBS) else False


def _is_colon(text: str) -> bool | None:
    return text[0] in _COLONS if text else None
