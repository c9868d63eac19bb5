"""One NPC's mind: what it has in its prompt, and how it answers."""

import asyncio
import contextlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import JsonValue

from npc_engine.errors import LimitExceeded, NpcEngineError, OperatorError, SchemaUnsupported, UnknownMood
from npc_engine.inference.grammar import Grammar, Grammars
from npc_engine.inference.request import CacheState, FinishReason, Generator, Priority, Request, Sampling
from npc_engine.inference.tokenizer import Tokenizer
from npc_engine.mind.actions import Action, Deed, Present, filled
from npc_engine.mind.answer import Answer, raise_failure
from npc_engine.mind.circumstances import Circumstances, Partner
from npc_engine.mind.context import Context, Head, Segment
from npc_engine.mind.judgement import LONGEST_OPENING, Judge
from npc_engine.mind.markup import Ids, Markup
from npc_engine.mind.repeatable import answer_seed
from npc_engine.mind.reply import ReplyParser
from npc_engine.persona.loading import LoadedWorld
from npc_engine.persona.render import activated_lore, render_examples, render_persona, render_world
from npc_engine.persona.schema import PLAYER, Persona
from npc_engine.store import Entry

RESERVE = 256
"""Tokens kept free, beside the reply's, for the next line and its volatile facts: shrinking then waits for no one."""

LOOP_PENALTY = 0.8
REMEMBERED_ANSWERS = 4
"""So many of its last answers an NPC avoids to repeat word for word: small models love to."""

MAX_VALUE = 256
"""Tokens that a decision or the arguments of an action may take."""

NOBODY, USUAL = Partner("", ""), Circumstances()

LEAST_WINDOW = 64
"""Tokens of conversation, beside the reply, without which no answer makes sense."""


@dataclass(frozen=True, slots=True)
class Language:
    """A model's way with text: its tokenizer, its chat markup, the ids that end an answer, and its grammars."""

    tokenizer: Tokenizer
    markup: Markup
    end_ids: frozenset[int]
    grammars: Grammars


class Mind:
    """The mind of ``npc``. ``turn`` is held while it answers: it says one thing at a time.

    ``idle`` is held while its prompt is read in idle time: not everyone in the world may want that at once.
    ``circumstances`` may be replaced at any time. Once ``forgotten`` nothing may be stored of it any more.
    """

    def __init__(
        self,
        npc: str,
        persona_id: str,
        loaded: LoadedWorld,
        *,
        language: Language,
        generator: Generator,
        variables: Mapping[str, str],
        circumstances: Circumstances = USUAL,
        idle: asyncio.Semaphore,
        seed: int | None = None,
        answers: int = 0,
    ) -> None:
        """With a ``seed``, its answers come again; ``answers`` is how many it has given until now."""
        self.npc, self.persona_id, self.world_id = npc, persona_id, loaded.id
        self.persona: Persona = loaded.personas[persona_id]
        self.turn = asyncio.Lock()
        self._loaded, self._language, self._generator = loaded, language, generator
        self._variables, self._idle = {**loaded.world.vars, **variables}, idle
        self._seed, self._answers = seed, answers
        self.circumstances = circumstances
        self.forgotten = False
        # Every answer begins with the name of who gives it, as lines begin with their speaker's. Without it, small
        # models take the next turn in that play of names to be the player's.
        self._markup = language.markup.with_cue(tuple(language.tokenizer.encode_text(f"{self.persona.name}:")))
        head = self._head()
        self._context = Context(self._markup, head, self._room(len(head.ids)))
        self._restored_to = 0
        self._answering = False
        self._meanwhile: list[Segment] = []
        self._warming: asyncio.Task[None] | None = None

    @property
    def window_start(self) -> int:
        """The journal seq of the oldest entry in the prompt; 0 when there is none."""
        return self._context.first_seq

    @property
    def tokens(self) -> Mapping[str, int]:
        """Tokens per part of the prompt, and the most there may be."""
        context = self._context
        return {
            "shared": len(context.head.shared),
            "persona": len(context.head.own),
            "history": context.history_tokens,
            "room": context.room,
        }

    async def cache_state(self) -> CacheState:
        """How much of the prompt has its attention state kept."""
        return await self._generator.cache_state(self._context.stable)

    def restore(self, entries: Sequence[Entry]) -> tuple[int, int] | None:
        """Begin with what the journal holds, oldest first. Tokens before and after, if not all of it fits."""
        self._context.restore(self._segment(entry) for entry in entries)
        self._restored_to = entries[-1].seq if entries else 0
        return self.compact()

    def check_length(self, speaker: str, text: str) -> None:
        """Raise LimitExceeded for a line that would push nearly everything else out of mind."""
        around = len(self._markup.user_to_assistant) + 2 * len(self._markup.newline)
        most = min(self._window // 2, self._window - self.persona.generation.max_tokens - around)
        tokens = len(self.line_ids("heard", speaker, text))
        if tokens > most:
            raise LimitExceeded(
                f"The line is {tokens} tokens long; {self.persona.name} can take in {most} at once.",
                remedy="Send less text, or give the persona a larger memory.window_tokens.",
            )

    def check_mood(self, mood: str) -> None:
        """Raise UnknownMood for a mood that it can't be in."""
        if mood not in self.persona.mood.range:
            raise UnknownMood(
                f"`mood`: {self.persona.name} can't be {mood!r}.",
                remedy=f"Its persona's moods are {', '.join(self.persona.mood.range)}.",
            )

    def check_circumstances(self, circumstances: Circumstances) -> None:
        """Raise LimitExceeded for more than leaves room for a conversation."""
        # Of relationships a line brings up few; the state is told on every one.
        told = " ".join(circumstances.sentences(self.persona, self._loaded.names, NOBODY, ""))
        tokens, most = len(self._language.tokenizer.encode_text(told)), self._window // 4
        if tokens > most:
            raise LimitExceeded(
                f"What {self.persona.name} has to know is {tokens} tokens long; {most} leave room for a conversation.",
                remedy="Take facts away that it needs no more (null), or give the persona a larger "
                "memory.window_tokens.",
            )

    def line_ids(self, kind: str, speaker: str, text: str) -> Ids:
        """The ids with which a line enters the prompt. Whatever is in it, it stays one line of one speaker."""
        words = " ".join(text.split())
        if kind == "said":
            shown = f" {words}"  # after the cue
        elif kind == "event":
            shown = f"*{words.strip('*')}*"
        else:
            shown = f"{' '.join(speaker.split())}: {words}"
        return tuple(self._language.tokenizer.encode_text(shown))

    def hear(self, entry: Entry) -> None:
        """Take in what was said or what happened. While it answers, it listens only after that."""
        if entry.seq <= self._restored_to:
            return
        segment = self._segment(entry)
        if self._answering and entry.kind != "said":
            self._meanwhile.append(segment)
        else:
            self._context.append(segment)

    def answer(
        self,
        line: str,
        *,
        names: Collection[str],
        priority: Priority = Priority.PLAYER,
        deadline: float | None = None,
        max_tokens: int | None = None,
        partner: Partner = NOBODY,
    ) -> Answer:
        """Start answering ``line``, the last thing heard, by ``partner``. With ``max_tokens`` 0 it is only read.

        ``names``: of everyone else it must not speak for.

        Call with ``turn`` held, and ``answered`` when the answer is over.
        """
        assert self.turn.locked()
        self.rest()
        generation, room = self.persona.generation, self._context.room
        most = self._longest_reply(max_tokens)
        prompt = self._context.prompt(self._volatile(line, partner))
        if len(prompt) + most > room:
            prompt = self._context.prompt(())
        most = min(most, max(1, room - len(prompt)))
        request = Request(self._generator.new_id(), prompt, self._sampling(most), priority, deadline)
        make_parser = partial(
            ReplyParser,
            self.persona.name,
            {*names, *self._loaded.names.values()} - {self.persona.name},
            narration=generation.narration,
            max_sentences=generation.max_sentences,
            control_tokens=self._language.tokenizer.control_tokens,
        )
        self._answering = True
        return Answer(self._generator, request, make_parser)

    def said_ids(self, answer: Answer) -> Ids:
        """The ids with which an answer enters the prompt: those that were sampled, if all of it was kept."""
        tokenizer = self._language.tokenizer
        if tokenizer.decode(answer.token_ids).strip() == answer.text:
            return tuple(answer.token_ids)
        return self.line_ids("said", self.persona.name, answer.text)

    def answered(self, entry: Entry | None) -> None:
        """The answer is in the journal as ``entry`` (None: nothing was said). Then comes what was heard meanwhile."""
        self._answering = False
        if entry is not None:
            self._answers += 1
            self.hear(entry)
        for segment in self._meanwhile:
            self._context.append(segment)
        self._meanwhile.clear()

    def compact(self) -> tuple[int, int] | None:
        """Let go of the oldest entries if the prompt is nearly full. Tokens before and after, or None."""
        most = self.persona.generation.max_tokens
        return self._compact(most + min(RESERVE, (self._window - most) // 4))

    def make_room(self, line: str, max_tokens: int | None, partner: Partner = NOBODY) -> tuple[int, int] | None:
        """Let go of the oldest entries if the answer to ``line`` would not fit. Tokens before and after, or None."""
        around = len(self._markup.user_to_assistant) + len(self._markup.newline)
        reply = max(self._longest_reply(max_tokens), LONGEST_OPENING)
        return self._compact(reply + len(self._volatile(line, partner)) + around)

    async def fork(self, question: str, *, max_tokens: int, priority: Priority = Priority.PLAYER) -> str:
        """What it would most likely say to ``question``, and never learns of: a second opinion, at any time.

        All that it has in mind is shared with its own prompt, so only the question is read. Raises LimitExceeded for
        one that does not fit, NpcEngineError when the engine failed.
        """
        text, _ = await self._aside(question, max_tokens, priority)
        return text.strip()

    async def decide(
        self, question: str, schema: Mapping[str, Any], *, priority: Priority = Priority.PLAYER
    ) -> JsonValue:
        """Its answer to ``question``, a value that ``schema`` allows; it never learns of it.

        Raises SchemaUnsupported, also for a schema that turns out to lead nowhere, and LimitExceeded for a question
        that does not fit or a value that does not end.
        """
        grammar = await asyncio.to_thread(self._language.grammars.of_schema, schema)
        text, finish = await self._aside(question, MAX_VALUE, priority, grammar)
        if finish is not FinishReason.STOP:
            raise LimitExceeded(
                f"The answer did not end within {MAX_VALUE} tokens.",
                remedy="Let the schema allow less: shorter strings, fewer entries.",
            )
        try:
            value: JsonValue = json.loads(text)
        except ValueError:
            # The grammar ended where nothing that it allows could be spelt.
            raise SchemaUnsupported(
                "The schema can't be kept to: it led to where no value can be completed.",
                remedy="Make its patterns simpler.",
            ) from None
        return value

    async def act(
        self,
        line: str,
        answer: str,
        partner: Partner,
        actions: Sequence[Action],
        there: Present,
        asked: Ids,
        priority: Priority = Priority.PLAYER,
    ) -> Deed | None:
        """What it does about ``line``, which it has heard from ``partner`` and given this ``answer``; None for nothing.

        Who refuses in words does not do it. Who has said nothing to ``asked``, the prompt that had the line at its end,
        does not do it if all else there has made it unwilling.

        Only what can be done with who and what is ``there`` comes into question. Raises NpcEngineError when the engine
        failed.
        """
        possible = [(action, schema) for action in actions if (schema := filled(action.schema, there)) is not None]
        if not possible:
            return None
        judge, name = Judge(self._generator, self._language.tokenizer), self.persona.name
        wanted = await judge.wanted(line, partner.name, name, [action for action, _ in possible], priority)
        if wanted is None:
            return None
        if answer:
            refused = await judge.refused(answer, partner.name, name, wanted, priority)
        else:
            # What just happens asks nobody, so nobody refuses it.
            refused = bool(partner.name) and await judge.unwilling(asked, self._afresh(line, partner), priority)
        if refused:
            return None
        schema = next(schema for action, schema in possible if action is wanted)
        if not schema.get("properties"):
            return Deed(wanted.name, {})
        question = f"({name} does this now: {wanted.description} Say with what, as JSON.)"
        try:
            args = await self.decide(question, schema, priority=priority)
        except (LimitExceeded, SchemaUnsupported):
            return None  # an action that can't be told in full is none
        assert isinstance(args, dict)
        return Deed(wanted.name, args)

    async def forget(self, others: Sequence["Mind"]) -> None:
        """Have what is kept of its attention state deleted, but for what it shares with ``others``."""
        self.rest()
        keep = tuple(other._context.stable for other in others if other._context.head.ids == self._context.head.ids)
        await self._generator.forget(self._context.stable, len(self._context.head.ids), keep)

    async def expect(self, within: float) -> None:
        """It is likely to be spoken to ``within`` so many seconds: have its attention state brought up until then."""
        await self._generator.prefetch(self._context.stable, within)
        self.warm()

    def warm(self) -> None:
        """Have what is kept nowhere of the prompt's attention state computed in idle time, for the next line."""
        if self._warming is None or self._warming.done():
            self._warming = asyncio.get_running_loop().create_task(self._warm())

    def rest(self) -> None:
        """Stop what runs in idle time."""
        if self._warming is not None:
            self._warming.cancel()

    async def _warm(self) -> None:
        # Whatever refuses it now, the next answer will say so to someone.
        with contextlib.suppress(NpcEngineError):
            async with self._idle:
                prompt = self._context.stable
                if (await self._generator.cache_state(prompt)).tokens == len(prompt):
                    return
                request = Request(self._generator.new_id(), prompt, Sampling(max_tokens=0), priority=Priority.IDLE)
                async with aclosing(self._generator.generate(request)) as outputs:
                    async for _ in outputs:
                        pass

    async def _aside(
        self, question: str, max_tokens: int, priority: Priority, grammar: Grammar | None = None
    ) -> tuple[str, FinishReason]:
        """What it answers to ``question``, beside its own conversation, and how that ended."""
        ids = tuple(self._language.tokenizer.encode_text(" ".join(question.split())))
        sampling = Sampling(max_tokens=max_tokens, stop_ids=self._language.end_ids)
        prompt = self._context.aside(ids)
        request = Request(self._generator.new_id(), prompt, sampling, priority, grammar=grammar, keep=False)
        text = ""
        async with aclosing(self._generator.generate(request)) as outputs:
            async for output in outputs:
                text += output.text
                if output.finish is not None:
                    raise_failure(output.finish, output.error)
                    return text, output.finish
        raise AssertionError("a generator ends with a finish")

    @property
    def _window(self) -> int:
        """Tokens for everything but the head."""
        return self._context.room - len(self._context.head.ids)

    def _longest_reply(self, asked: int | None) -> int:
        """Tokens that a reply may have: a game may ask for more than usual, but not for the NPC's whole memory."""
        usual = self.persona.generation.max_tokens
        return usual if asked is None else min(asked, max(usual, self._window // 2))

    def _compact(self, reserve: int) -> tuple[int, int] | None:
        if not self._context.overflow(reserve):
            return None
        before, after = self._context.compact(reserve)
        return (before, after) if after < before else None

    def _segment(self, entry: Entry) -> Segment:
        """An entry with the ids it was stored with, unless they are another model's."""
        ids = entry.token_ids
        expected = self.line_ids(entry.kind, entry.speaker_name, entry.text)
        if ids != expected:
            decoded = " ".join(self._language.tokenizer.decode(list(ids)).split())
            if entry.kind != "said" or decoded != entry.text:
                ids = expected
        return Segment(entry.seq, "said" if entry.kind == "said" else "heard", ids)

    def _afresh(self, line: str, partner: Partner) -> Ids:
        """The ids to continue for an answer to ``line`` if it were the first thing ever heard, and all as usual."""
        context = Context(self._markup, self._context.head, self._context.room)
        context.append(Segment(0, "heard", self.line_ids("heard", partner.name, line)))
        # The lore that the line brings up is told in both prompts: it is no reason to refuse.
        prompt = context.prompt(self._volatile(line, partner, USUAL))
        return prompt if len(prompt) + LONGEST_OPENING <= context.room else context.prompt(())

    def _volatile(self, line: str, partner: Partner = NOBODY, now: Circumstances | None = None) -> Ids:
        now = self.circumstances if now is None else now
        told = [*now.sentences(self.persona, self._loaded.names, partner, line)]
        lore = activated_lore(
            self.persona,
            self._loaded.world,
            line,
            trust=now.trust(self.persona, partner),
            variables=self._variables,
        )
        if lore:
            told.append(f"You know: {' '.join(lore)}")
        return tuple(self._language.tokenizer.encode_text(f"({' '.join(told)})")) if told else ()

    def _sampling(self, max_tokens: int) -> Sampling:
        generation = self.persona.generation
        return Sampling(
            temperature=generation.temperature,
            top_k=generation.top_k,
            top_p=generation.top_p,
            min_p=generation.min_p,
            repetition_penalty=generation.repetition_penalty,
            loop_penalty=LOOP_PENALTY,
            said_before=self._context.said(REMEMBERED_ANSWERS),
            seed=answer_seed(self._seed, self.npc, self._answers),
            max_tokens=max_tokens,
            stop_ids=self._language.end_ids,
        )

    def _head(self) -> Head:
        """World first and by itself, so that its ids are the same for everyone; examples as turns of a conversation."""
        markup, encode = self._markup, self._language.tokenizer.encode_text
        world = render_world(self._loaded.world, variables=self._variables)
        shared = markup.opening + tuple(encode(world + "\n"))
        persona = render_persona(self.persona, self._loaded.names, variables=self._variables, examples=False)
        own = list(tuple(encode(persona)) + markup.system_to_user)
        asker = self._variables.get(PLAYER, "Traveller")
        for line, reply in render_examples(self.persona, self._variables):
            own += encode(f"{asker}: {line}")
            own += markup.user_to_assistant
            own += encode(f" {reply}")
            own += markup.assistant_to_user
        return Head(shared, tuple(own))

    def _room(self, head: int) -> int:
        """Tokens for everything: what the designer wants remembered, within what the engine can hold."""
        generation = self.persona.generation
        wanted = head + max(self.persona.memory.window_tokens, 2 * generation.max_tokens + LEAST_WINDOW)
        room = min(self._generator.max_context, wanted)
        least = head + generation.max_tokens + LEAST_WINDOW
        if room < least:
            raise OperatorError(
                f"{self.persona.name} needs {least} tokens for persona, line and reply; there is room for {room}.",
                remedy="Shorten the persona or its max_tokens, or start the server with a larger max_context.",
            )
        return room
