"""A world of NPCs: the one door through which the bridge reaches minds, journal and engine."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import JsonValue

from npc_engine.errors import SchemaUnsupported, UnknownNpc
from npc_engine.inference.request import Budgets, Generator, Priority
from npc_engine.mind.actions import Action, Present, filled, present
from npc_engine.mind.answer import Answer
from npc_engine.mind.circumstances import Circumstances, Partner
from npc_engine.mind.mind import Language, Mind
from npc_engine.mind.reply import Delta
from npc_engine.persona.loading import LoadedWorld
from npc_engine.store import Entry, EntryKind, Journal, NewEntry, NpcRecord
from npc_engine.world.actions import Offers
from npc_engine.world.calls import Calls
from npc_engine.world.events import (
    Change,
    Happening,
    MemoryCompacted,
    NpcChanged,
    NpcInfo,
    NpcSummary,
    Remembered,
    ReplyAction,
    ReplyDelta,
    ReplyDone,
    ReplyEvent,
    ReplySentence,
    ReplyStarted,
    Say,
    Speaker,
    Update,
    WorldStats,
)
from npc_engine.world.homes import home_of
from npc_engine.world.records import Records, updated
from npc_engine.world.watchers import Watchers

SHOWN_ENTRIES = 50
"""Journal entries that ``inspect`` shows."""

WARMED_AT_ONCE = 16
"""NPCs whose prompts are read in idle time at once: the places in the engine's queue are for those who speak."""

_NO_OBJECT = frozenset({"$ref", "allOf", "anyOf", "const", "enum", "oneOf"})

_WORLD_SPEAKER = Speaker("world", "", "system")

_Out = asyncio.Queue[ReplyEvent | None]
_Turn = Callable[[_Out], Coroutine[Any, Any, None]]
_T = TypeVar("_T")


class World:
    """All NPCs of one data folder. Every method runs on the event loop and never blocks it.

    Call ``start`` before anything else and ``close`` at the end.
    """

    def __init__(
        self,
        library: Mapping[str, LoadedWorld],
        journal: Journal,
        language: Language,
        generator: Generator,
        *,
        seed: int | None = None,
    ) -> None:
        """With a ``seed``, the answers of each NPC come again, as far as arithmetic does."""
        self._library, self._journal = library, journal
        self._language, self._generator, self._seed = language, generator, seed
        self._records = Records(journal, self._changed)
        self._watchers: Watchers[NpcChanged] = Watchers()
        self._minds: dict[str, Mind] = {}
        self._waking: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._untold: list[MemoryCompacted] = []
        self._idle = asyncio.Semaphore(WARMED_AT_ONCE)
        self._calls = Calls()

    async def start(self) -> None:
        """Learn from the journal who exists. Their minds wake when they are first needed."""
        await self._records.load()

    async def close(self) -> None:
        """End all answers that are under way; what was said until now is in the journal afterwards."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for mind in self._minds.values():
            mind.rest()

    def watch(self, watcher: Callable[[NpcChanged], None]) -> Callable[[], None]:
        """Call ``watcher`` with whatever becomes of any NPC, whoever caused it, until what is returned is called.

        It is called on the event loop, in the order of the changes, and must not block.
        """
        return self._watchers.add(watcher)

    async def spawn(
        self, npc: str, persona: str, *, world: str | None = None, variables: Mapping[str, str] | None = None
    ) -> NpcSummary:
        """Bring ``npc`` into the game, with the memory it has from earlier. Spawning twice is harmless.

        Raises UnknownPersona.
        """
        home = home_of(self._library, persona, world)
        wanted = (persona, home.id, dict(variables or {}))
        known = self._records.get(npc)
        if known is None:
            mood = home.personas[persona].mood.default
            await self._records.store(
                NpcRecord(npc=npc, persona=persona, world=home.id, variables=wanted[2], mood=mood)
            )
        elif (known.persona, known.world, known.variables) != wanted:
            await self._become(npc, home, persona, wanted[2])
        elif not known.active:
            await self._records.store(replace(known, active=True))
        mind = await self._mind(npc)
        mind.warm()
        return self._summary(self._records.known(npc))

    def check_persona(self, persona: str) -> None:
        """Raise UnknownPersona unless a loaded world has ``persona``."""
        home_of(self._library, persona, None)

    async def despawn(self, npc: str) -> None:
        """Park ``npc``: it keeps everything and hears nothing. Raises UnknownNpc."""
        await self._records.store(replace(self._records.known(npc), active=False))
        mind = self._minds.get(npc)
        if mind is not None:
            mind.rest()
            if not mind.turn.locked():  # one that speaks still has to learn what it said
                del self._minds[npc]

    async def forget(self, npc: str) -> None:
        """Delete ``npc`` for good: its journal, what the game said of it, its attention state. It ends its say first.

        Whoever is spawned under its id from now on is somebody new. Raises UnknownNpc.
        """
        self._records.known(npc)
        # An answer that is under way still has to be heard by others. What waits behind it finds nobody.
        async with self._turn(npc, parked=True) as mind:
            mind.forgotten = True
            self._minds.pop(npc, None)
            try:
                await _to_the_end(self._records.forget(npc))
            except Exception:
                mind.forgotten = False
                self._minds.setdefault(npc, mind)
                raise
            self._untold = [event for event in self._untold if event.npc != npc]
            await mind.forget([other for other in self._minds.values() if other is not mind])

    async def update(self, update: Update) -> None:
        """Tell an NPC how things are from now on. It keeps that when it is parked, and over a restart.

        Raises UnknownNpc, UnknownMood or LimitExceeded, and changes nothing then.
        """
        self._records.known(update.npc)
        mind = await self._mind(update.npc)
        if update.mood is not None:
            mind.check_mood(update.mood)
        changed = updated(self._records.known(update.npc), update)
        mind.check_circumstances(_circumstances(changed))
        await self._records.store(changed)

    def roster(self) -> Sequence[NpcSummary]:
        """Every NPC this world knows, active or parked, by id."""
        return [self._summary(self._records[npc]) for npc in sorted(self._records)]

    async def inspect(self, npc: str) -> NpcInfo:
        """What ``npc`` remembers, costs and feels. Raises UnknownNpc."""
        record, mind = self._records.known(npc), await self._mind(npc)
        entries = await self._journal.newest(npc, SHOWN_ENTRIES)
        return NpcInfo(
            npc=npc,
            persona=record.persona,
            name=mind.persona.name,
            active=record.active,
            mood=record.mood,
            relationships={
                other: relation.model_dump() for other, relation in mind.circumstances.standing(mind.persona).items()
            },
            journal=tuple(Remembered(e.speaker_name, e.text, e.at) for e in entries),
            tokens=mind.tokens,
            kv=await mind.cache_state(),
        )

    async def hint(self, npcs: Sequence[str], within: float) -> None:
        """``npcs`` are likely to be spoken to ``within`` so many seconds: wake them, bring up what they have in mind.

        Raises UnknownNpc before any of them is woken.
        """
        due = time.monotonic() + within
        for npc in npcs:
            self._check_active(npc)
        for mind in await self._present(npcs):
            await mind.expect(max(0.0, due - time.monotonic()))

    async def set_budgets(self, budgets: Budgets) -> None:
        """Change how much attention state may be kept, from now on. Nobody forgets anything by it.

        Raises LimitExceeded, and changes nothing, for less than one context needs.
        """
        await self._generator.set_budgets(budgets)

    async def stats(self) -> WorldStats:
        """How many NPCs there are, and what the engine has to do and has done."""
        return WorldStats(
            known=len(self._records),
            active=sum(record.active for record in self._records.values()),
            awake=len(self._minds),
            speaking=sum(mind.turn.locked() for mind in self._minds.values()),
            engine=await self._generator.stats(),
        )

    async def say(self, say: Say) -> AsyncGenerator[ReplyEvent, None]:
        """Stream the answer. The line is in the journal before the first event.

        Closing the iterator (``aclose``) cancels; what was said until then stays said. Raises UnknownNpc,
        LimitExceeded, Overloaded or DeadlinePassed when first advanced.
        """
        deadline = None if say.deadline_ms is None else time.monotonic() + say.deadline_ms / 1000
        self._offered(await self._active(say.npc), say.offers)
        for npc in (say.npc, *say.hearers):
            (await self._active(npc)).check_length(say.speaker.name, say.text)

        async def turn(out: _Out) -> None:
            async with self._turn(say.npc) as mind:
                hearers = await self._present(npc for npc in say.hearers if npc != say.npc)
                await self._remember([mind, *hearers], "heard", say.speaker, say.text, out)
                await self._answer(mind, hearers, say, deadline, out)

        async with aclosing(self._stream(turn)) as events:
            async for event in events:
                yield event

    async def happen(self, happening: Happening) -> AsyncGenerator[ReplyEvent, None]:
        """Journal an event for its hearers and stream their reactions, if it is not silent. Raises UnknownNpc."""
        for npc in happening.hearers:
            (await self._active(npc)).check_length("", happening.text)

        async def turn(out: _Out) -> None:
            await self._remember(await self._present(happening.hearers), "event", _WORLD_SPEAKER, happening.text, out)
            if happening.silent:
                return
            # One after the other, since each of them hears what the others say.
            for npc in dict.fromkeys(happening.hearers):
                say = Say(
                    npc,
                    _WORLD_SPEAKER,
                    happening.text,
                    priority=Priority.AMBIENT,
                    max_tokens=happening.max_tokens,
                    offers=happening.offers,
                )
                with suppress(UnknownNpc):  # it may have left while others spoke
                    async with self._turn(npc) as mind:
                        others = await self._present(other for other in happening.hearers if other != npc)
                        await self._answer(mind, others, say, None, out)

        async with aclosing(self._stream(turn)) as events:
            async for event in events:
                yield event

    async def result(self, call: str, *, ok: bool, message: str = "") -> None:
        """Let the NPC of ``call`` remember what came of its action. Raises UnknownAction if it is not open."""
        done = self._calls.close(call)
        if done.npc not in self._records:
            return
        outcome = "was done" if ok else "failed"
        mind = await self._mind(done.npc)
        text = f"{mind.persona.name}: {done.deed.told} {outcome}. {message}"
        await self._remember([mind], "event", _WORLD_SPEAKER, " ".join(text.split()))

    async def check_action(self, action: Action) -> None:
        """Raise SchemaUnsupported for an action whose arguments can't be held to its schema, or are no object."""
        if action.schema.get("type", "object") != "object" or action.schema.keys() & _NO_OBJECT:
            raise SchemaUnsupported(
                "The arguments of an action should be an object of named properties.",
                remedy='Write {"type": "object", "properties": {...}, "required": [...]}.',
            )
        await asyncio.to_thread(self._language.grammars.of_schema, {**action.schema, "type": "object"})

    async def decide(self, npc: str, question: str, schema: Mapping[str, Any], *, remember: bool = False) -> JsonValue:
        """What ``npc`` decides: a value that ``schema`` allows. It knows nothing of it afterwards, unless ``remember``.

        Raises UnknownNpc, SchemaUnsupported, LimitExceeded.
        """
        mind = await self._active(npc)
        mind.check_length("", question)
        if not remember:
            return await mind.decide(question, _filled(schema, self._there(npc, ())))
        async with self._turn(npc) as mind:
            value = await mind.decide(question, _filled(schema, self._there(npc, ())))
            text = f"{question} {mind.persona.name} decided: {json.dumps(value, ensure_ascii=False)}"
            await self._remember([mind], "event", _WORLD_SPEAKER, text)
            return value

    async def _stream(self, turn: _Turn) -> AsyncGenerator[ReplyEvent, None]:
        """Run ``turn`` as a task of its own, so that a slow reader holds nobody's mind, and yield what it puts out."""
        out: _Out = asyncio.Queue()
        task = asyncio.get_running_loop().create_task(turn(out))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: out.put_nowait(None))
        try:
            while (event := await out.get()) is not None:
                if not isinstance(event, MemoryCompacted):
                    yield event
                elif event in self._untold:
                    self._untold.remove(event)
                    yield event
        finally:
            if not task.done():
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if task.cancelled():
            raise asyncio.CancelledError
        task.result()

    async def _answer(self, mind: Mind, hearers: Sequence[Mind], say: Say, deadline: float | None, out: _Out) -> None:
        """Let ``mind``, whose turn is held, answer what it heard last; everyone in ``hearers`` hears the answer."""
        partner = Partner(say.speaker.id, say.speaker.name)
        if (room := mind.make_room(say.text, say.max_tokens, partner)) is not None:
            await self._compacted(mind, room, out)
        out.put_nowait(ReplyStarted(mind.npc))
        names = {say.speaker.name, *(hearer.persona.name for hearer in hearers)} - {""}
        answer = mind.answer(
            say.text,
            names=names,
            priority=say.priority,
            deadline=deadline,
            max_tokens=say.max_tokens,
            partner=partner,
        )
        try:
            async with aclosing(answer.pieces()) as pieces:
                async for piece in pieces:
                    make = ReplyDelta if isinstance(piece, Delta) else ReplySentence
                    out.put_nowait(make(mind.npc, piece.text))
        finally:
            # Whoever hung up or whatever failed: what was said is said, and everyone who was there heard it.
            await _to_the_end(self._keep(mind, hearers, answer, out))
        await self._act(mind, hearers, say, answer, out)
        out.put_nowait(
            ReplyDone(mind.npc, answer.text, answer.finish, answer.usage, answer.timings, self._records[mind.npc].mood)
        )

    async def _act(self, mind: Mind, hearers: Sequence[Mind], say: Say, answer: Answer, out: _Out) -> None:
        """Let ``mind``, which has given this answer, do what it was asked for, if it does anything."""
        actions = self._offered(mind, say.offers)
        if not actions:
            return
        people = (say.speaker.name, *(hearer.persona.name for hearer in hearers))
        there = self._there(mind.npc, people)
        partner = Partner(say.speaker.id, say.speaker.name)
        deed = await mind.act(
            say.text, answer.text, partner, actions, there, asked=answer.prompt, priority=say.priority
        )
        if deed is not None:
            out.put_nowait(ReplyAction(mind.npc, self._calls.open(mind.npc, deed), deed.name, deed.args))

    def _offered(self, mind: Mind, offers: Offers) -> tuple[Action, ...]:
        return offers.to(mind.npc, mind.persona_id, mind.persona.actions)

    def _there(self, npc: str, people: Iterable[str]) -> Present:
        """Who and what ``npc`` has around it."""
        return present(people, self._records[npc].state)

    async def _keep(self, mind: Mind, hearers: Sequence[Mind], answer: Answer, out: _Out) -> None:
        """Journal an answer and bring it into every mind that was there."""
        said: Entry | None = None
        heard: list[Entry] = []
        try:
            if answer.text:
                speaker = Speaker(mind.npc, mind.persona.name, "npc")
                own = _entry(mind.npc, "said", speaker, answer.text, mind.said_ids(answer))
                others = [_heard(other, "heard", speaker, answer.text) for other in hearers if not other.forgotten]
                said, *heard = await self._journal.append([own, *others])
        finally:
            mind.answered(said)
        self._hear(heard)
        if said is not None:
            self._tell("spoke", self._records[mind.npc])
        for listener in (mind, *hearers):
            awake = self._minds.get(listener.npc) is listener
            if awake and (room := listener.compact()) is not None:
                await self._compacted(listener, room, out)
        if self._records[mind.npc].active:
            mind.warm()

    async def _remember(
        self, minds: Sequence[Mind], kind: EntryKind, speaker: Speaker, text: str, out: _Out | None = None
    ) -> None:
        """Journal a line for everyone who hears it, all or none, then bring it into their minds."""

        async def remember() -> None:
            entries = [_heard(mind, kind, speaker, text) for mind in minds if not mind.forgotten]
            self._hear(await self._journal.append(entries))

        await _to_the_end(remember())
        for mind in minds:
            if not mind.forgotten and not mind.turn.locked() and (room := mind.compact()) is not None:
                await self._compacted(mind, room)
        if out is None:
            return
        present = {mind.npc for mind in minds}
        for event in self._untold:
            if event.npc in present:
                out.put_nowait(event)

    def _hear(self, entries: Iterable[Entry]) -> None:
        """Bring entries into the minds they belong to. One that sleeps will find them in the journal."""
        for entry in entries:
            if (mind := self._minds.get(entry.npc)) is not None:
                mind.hear(entry)

    async def _compacted(self, mind: Mind, room: tuple[int, int], out: _Out | None = None) -> None:
        """Note what left a mind, and tell whoever listens: now, or when someone next does."""
        if mind.forgotten:
            return
        event = MemoryCompacted(mind.npc, *room)
        self._untold.append(event)
        if out is not None:
            out.put_nowait(event)
        await self._records.store(replace(self._records[mind.npc], window_start=mind.window_start))

    async def _become(self, npc: str, home: LoadedWorld, persona: str, variables: Mapping[str, str]) -> None:
        """Give ``npc`` another persona or other variables, once it has ended what it is saying."""
        mind = self._minds.get(npc)
        turn = mind.turn if mind is not None else asyncio.Lock()
        async with turn:
            default = home.personas[persona].mood.default
            known = self._records.get(npc) or NpcRecord(npc=npc, persona=persona, world=home.id, mood=default)
            mood = known.mood if known.persona == persona else default
            await self._records.store(
                replace(known, persona=persona, world=home.id, variables=variables, mood=mood, active=True)
            )
            # A line may have woken the mind meanwhile, with the persona it had: whoever is there now, goes.
            async with self._waking.setdefault(npc, asyncio.Lock()):
                if (stale := self._minds.pop(npc, None)) is not None:
                    stale.rest()

    @asynccontextmanager
    async def _turn(self, npc: str, *, parked: bool = False) -> AsyncIterator[Mind]:
        """Hold the turn of ``npc``'s mind, once it is its own. Raises UnknownNpc if it is gone by then.

        A parked one is gone, too, unless ``parked``.
        """
        while True:
            if not parked:
                self._check_active(npc)
            self._records.known(npc)
            mind = await self._mind(npc)
            async with mind.turn:
                if (parked or self._records.is_active(npc)) and self._minds.get(npc) is mind:
                    yield mind
                    return

    async def _present(self, npcs: Iterable[str]) -> list[Mind]:
        """The minds of those who are still in the game."""
        return [await self._mind(npc) for npc in dict.fromkeys(npcs) if self._records.is_active(npc)]

    async def _active(self, npc: str) -> Mind:
        self._check_active(npc)
        return await self._mind(npc)

    def _check_active(self, npc: str) -> None:
        if not self._records.known(npc).active:
            raise UnknownNpc(f"{npc!r} was despawned.", npc=npc, remedy="Send npc.spawn for it first.")

    async def _mind(self, npc: str) -> Mind:
        """The mind of a known NPC, woken from the journal if need be. Raises UnknownPersona if its persona is gone."""
        async with self._waking.setdefault(npc, asyncio.Lock()):
            if npc not in self._minds:
                record = self._records.known(npc)
                mind = Mind(
                    npc,
                    record.persona,
                    home_of(self._library, record.persona, record.world),
                    language=self._language,
                    generator=self._generator,
                    variables={key: str(value) for key, value in record.variables.items()},
                    circumstances=_circumstances(record),
                    idle=self._idle,
                    seed=self._seed,
                    answers=0 if self._seed is None else await self._journal.count(npc, "said"),
                )
                room = mind.restore(await self._journal.tail(npc, max(record.window_start - 1, 0)))
                self._minds[npc] = mind
                if room is not None:
                    await self._compacted(mind, room)
            return self._minds[npc]

    def _changed(self, what: Change, record: NpcRecord) -> None:
        """Have its mind know how things are by now, then whoever watches."""
        if what == "updated" and (mind := self._minds.get(record.npc)) is not None:
            mind.circumstances = _circumstances(record)
        self._tell(what, record)

    def _tell(self, what: Change, record: NpcRecord) -> None:
        self._watchers.tell(NpcChanged(what, self._summary(record), record.mood))

    def _summary(self, record: NpcRecord) -> NpcSummary:
        home = self._library.get(record.world)
        persona = home.personas.get(record.persona) if home else None
        return NpcSummary(record.npc, record.persona, persona.name if persona else record.persona, record.active)


async def _to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Do ``work`` to its end. If this task is cancelled meanwhile, that takes effect afterwards."""
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result


def _circumstances(record: NpcRecord) -> Circumstances:
    return Circumstances(record.state, record.mood, record.relationships)


def _heard(mind: Mind, kind: EntryKind, speaker: Speaker, text: str) -> NewEntry:
    return _entry(mind.npc, kind, speaker, text, mind.line_ids(kind, speaker.name, text))


def _entry(npc: str, kind: EntryKind, speaker: Speaker, text: str, ids: tuple[int, ...]) -> NewEntry:
    return NewEntry(
        npc=npc,
        kind=kind,
        text=text,
        speaker_id=speaker.id,
        speaker_name=speaker.name,
        speaker_kind=speaker.kind,
        token_ids=ids,
    )


def _filled(schema: Mapping[str, Any], there: Present) -> Mapping[str, Any]:
    found = filled(schema, there)
    if found is None:
        raise SchemaUnsupported(
            "Nothing of what the schema asks for is there.", remedy="Say with npc.update what the NPC has around it."
        )
    return found
