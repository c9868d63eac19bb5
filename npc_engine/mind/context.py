"""What an NPC has in mind, as token ids in the order that makes the cache work.

    world | persona and examples | history ... | this turn's volatile facts | the new line
    \\____________ head ____________/\\_ append-only _/\\________ this turn only ________/

The head is never dropped. The history only grows at its end, so that the attention state of everything before stays
valid; when it outgrows the window, whole entries leave at its beginning, and the journal keeps them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from npc_engine.mind.markup import Ids, Markup

LOW_WATER = 0.5
"""A full history shrinks to this share of its room: what is left must be read again, so it must be rare."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One journal entry as the model reads it. ``seq`` is the journal's; "heard" covers events too."""

    seq: int
    kind: Literal["heard", "said"]
    ids: Ids


@dataclass(frozen=True, slots=True)
class Head:
    """The part that never leaves the prompt. ``shared`` ids are the same for all NPCs of a world."""

    shared: Ids
    own: Ids

    @property
    def ids(self) -> Ids:
        return self.shared + self.own


class Context:
    """One NPC's prompt. ``room`` is in tokens: what head, history, volatile facts, line and reply may take together."""

    def __init__(self, markup: Markup, head: Head, room: int) -> None:
        self._markup, self.head, self.room = markup, head, room
        self._segments: list[Segment] = []
        self._stable = head.ids

    @property
    def stable(self) -> Ids:
        """Head and history: the beginning of the next prompt, whatever will be said."""
        return self._stable

    @property
    def first_seq(self) -> int:
        """The journal seq of the oldest entry still in the prompt; 0 when there is none."""
        return self._segments[0].seq if self._segments else 0

    @property
    def history_tokens(self) -> int:
        """Tokens of the history, markup included."""
        return len(self._stable) - len(self.head.ids)

    def said(self, newest: int) -> Ids:
        """The ids of the ``newest`` answers still in the prompt, oldest first."""
        answers = [segment.ids for segment in self._segments if segment.kind == "said"]
        return tuple(i for ids in answers[-newest:] for i in ids)

    def append(self, segment: Segment) -> None:
        """Add what was heard or said last."""
        previous = self._segments[-1] if self._segments else None
        self._stable += self._joint(previous, segment) + segment.ids + self._close(segment)
        self._segments.append(segment)

    def prompt(self, volatile: Ids) -> Ids:
        """The ids to continue for an answer to the last thing heard, which ``volatile`` facts stand right before."""
        markup = self._markup
        if not volatile or not self._segments or self._segments[-1].kind == "said":
            return self._stable + volatile + markup.user_to_assistant
        line = self._segments[-1]
        before = self._stable[: len(self._stable) - len(line.ids)]
        return before + volatile + markup.newline + line.ids + markup.user_to_assistant

    def aside(self, question: Ids) -> Ids:
        """The ids to continue for an answer to ``question``, which is heard by nobody and never becomes history."""
        joint = self._markup.newline if self._segments and self._segments[-1].kind == "heard" else ()
        return self._stable + joint + question + self._markup.user_to_assistant

    def overflow(self, reserve: int) -> int:
        """Tokens too many if ``reserve`` more must fit (volatile facts, markup and reply)."""
        return max(0, len(self._stable) + reserve - self.room)

    def compact(self, reserve: int) -> tuple[int, int]:
        """Drop the oldest entries until the history takes at most LOW_WATER of its room. Tokens before and after.

        The newest entry stays: it is what is being answered.
        """
        before = len(self._stable)
        target = int((self.room - reserve - len(self.head.ids)) * LOW_WATER)
        sizes = [len(s.ids) + len(self._joint(p, s)) + len(self._close(s)) for p, s in self._pairs()]
        size, first, last = sum(sizes), 0, len(self._segments) - 1
        # The joint of the first entry goes with what stood before it, so the sum is never too small.
        while first < last and (size > target or self._segments[first].kind == "said"):
            size -= sizes[first]
            first += 1
        self._segments = self._segments[first:]
        self._stable = self.head.ids + self._render()
        return before, len(self._stable)

    def restore(self, segments: Iterable[Segment]) -> None:
        """Begin with these entries, oldest first."""
        assert not self._segments
        for segment in segments:
            self.append(segment)

    def _render(self) -> Ids:
        ids: list[int] = []
        for previous, segment in self._pairs():
            ids.extend(self._joint(previous, segment) + segment.ids + self._close(segment))
        return tuple(ids)

    def _pairs(self) -> Iterator[tuple[Segment | None, Segment]]:
        """Every segment with the one before it."""
        return zip([None, *self._segments], self._segments, strict=False)

    def _joint(self, previous: Segment | None, segment: Segment) -> Ids:
        """What stands before a segment: the head and every answer leave a user turn open."""
        if segment.kind == "said":
            return self._markup.user_to_assistant
        return self._markup.newline if previous is not None and previous.kind == "heard" else ()

    def _close(self, segment: Segment) -> Ids:
        return self._markup.assistant_to_user if segment.kind == "said" else ()
