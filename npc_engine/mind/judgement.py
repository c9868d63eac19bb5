"""Which of some actions a line asks for: likelihoods, compared.

A small model that is asked to pick an action picks the one it likes to write. What it can tell is how well a line fits
what it is said to mean. So the question is turned round (noisy channel, arXiv 2108.04106): how likely is the line as
the words of someone who wants each of the actions, beside how likely it is anyway?
"""

import asyncio
import math
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from npc_engine.inference.request import Generator, Priority, Request, Sampling
from npc_engine.inference.tokenizer import Tokenizer
from npc_engine.mind.actions import Action
from npc_engine.mind.answer import raise_failure
from npc_engine.mind.markup import Ids

MARGIN = 3.0
"""Nats by which a line must be likelier from someone who wants something than from someone who only talks. Chosen by
one half of the situations of ``npc-engine bench actions``, in the middle of a stretch where it makes no difference."""

WILLING = (
    ("is willing to do so", "is not willing to do so"),
    ("says yes", "says no"),
    ("will do it gladly", "will not do it"),
)
"""Ways to say of someone who was asked that he will, and that he won't. One alone depends too much on its words."""

REFUSAL_MARGIN = 1.0
"""Nats by which an answer must be likelier from someone who won't, over all ways to say so: the default model often
says what is neither yes nor no. Of 50 answers that agree none is taken for a refusal; of 50 that refuse, 20 are."""

OPENINGS = ((" I will.", " I will not."), (" I will", " I won't"), (" Gladly.", " Never."))
"""Ways to begin an answer for someone who will do what was asked, and for someone who won't."""

LONGEST_OPENING = max(len(opening.encode()) for way in OPENINGS for opening in way)
"""Tokens that one of them may have: a token is a byte at least."""

WILL_MARGIN = 0.3
"""Nats, for each of ``OPENINGS``, by which someone must be less willing than usual not to do what was asked: it errs
towards doing. ``npc-engine bench actions`` says how often a friend and an enemy are refused what a stranger is not."""

MAX_LINE = 96
"""Tokens of a line that are looked at, its last ones: what is wanted comes at the end. Of an answer, its first ones."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges with the model behind ``generator``."""

    generator: Generator
    tokenizer: Tokenizer

    async def wanted(
        self, line: str, speaker: str, npc: str, actions: Sequence[Action], priority: Priority
    ) -> Action | None:
        """The action that ``speaker`` most likely wants of ``npc`` with ``line``; None if it is only talk.

        Raises NpcEngineError when the engine failed.
        """
        wishes = [f"{speaker} wants {npc} to {_order(action.description)}." for action in actions]
        before = [f"{speaker} talks with {npc} about this and that.", *wishes]
        encode = self.tokenizer.encode_text
        words = encode(" ".join(line.replace('"', "'").split()) + '"')[-MAX_LINE:]
        scores = await asyncio.gather(
            *(self._score(encode(f'{each}\n{speaker} says: "'), words, priority) for each in before)
        )
        idle, *fits = scores
        best = max(range(len(actions)), key=lambda index: fits[index])
        return actions[best] if fits[best] > idle + MARGIN else None

    async def refused(self, answer: str, speaker: str, npc: str, action: Action, priority: Priority) -> bool:
        """Whether ``npc``, who was asked for ``action`` and has given this ``answer``, rather won't do it.

        Raises NpcEngineError when the engine failed.
        """
        if not answer:
            return False
        wish = f"{speaker} asked {npc} to {_order(action.description)}."
        encode = self.tokenizer.encode_text
        words = encode(" ".join(answer.replace('"', "'").split()) + '"')[:MAX_LINE]
        before = [f'{wish} {npc} {does}.\n{npc} says: "' for way in WILLING for does in way]
        scores = await asyncio.gather(*(self._score(encode(each), words, priority) for each in before))
        return math.fsum(scores[1::2]) > math.fsum(scores[::2]) + REFUSAL_MARGIN * len(WILLING)

    async def unwilling(self, asked: Ids, afresh: Ids, priority: Priority) -> bool:
        """Whether who is to answer behind ``asked`` won't do what it ends with, though it usually would.

        ``afresh`` is how ``asked`` would be if its last line were the first one ever heard. How willing somebody sounds
        depends on that line, and on a way of speaking, much more than on all else; but these are in both. Raises
        NpcEngineError when the engine failed.
        """
        now, usually = await asyncio.gather(self._will(asked, priority), self._will(afresh, priority))
        return now < usually - WILL_MARGIN * len(OPENINGS)

    async def _will(self, prompt: Ids, priority: Priority) -> float:
        """Nats by which an answer behind ``prompt`` is likelier to begin willingly, over all ways to do so."""
        words = [self.tokenizer.encode_text(opening) for way in OPENINGS for opening in way]
        scores = await asyncio.gather(*(self._score(prompt, each, priority) for each in words))
        return math.fsum(scores[::2]) - math.fsum(scores[1::2])

    async def _score(self, before: Sequence[int], words: Sequence[int], priority: Priority) -> float:
        """The log-probability of ``words`` behind ``before``."""
        prompt = (*before, *words)
        request = Request(
            self.generator.new_id(), prompt, Sampling(max_tokens=0), priority, scored=len(words), keep=False
        )
        async with aclosing(self.generator.generate(request)) as outputs:
            async for output in outputs:
                if output.finish is not None:
                    raise_failure(output.finish, output.error)
                    return math.fsum(output.scores)
        return -math.inf


def _order(description: str) -> str:
    """A description as what somebody wants: ``Give a thing.`` becomes ``give a thing``."""
    first, *rest = description.strip().splitlines() or [""]
    return (first[:1].lower() + first[1:]).rstrip(" .!") if not rest else " ".join([first, *rest]).rstrip(" .!")
