"""A world of NPCs: the one door through which the bridge reaches minds, journal and engine."""

import asyncio
import difflib
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from npc_engine.errors import UnknownNpc, UnknownPersona
from npc_engine.inference.request import Generator, Priority
from npc_engine.mind.answer import Answer
from npc_engine.mind.mind import Language, Mind
from npc_engine.mind.reply import Delta
from npc_engine.persona.loading import LoadedWorld
from npc_engine.store import Entry, EntryKind, Journal, NewEntry, NpcRecord
from npc_engine.world.events import (
    Happening,
    MemoryCompacted,
    NpcInfo,
    NpcSummary,
    Remembered,
    ReplyDelta,
    ReplyDone,
    ReplyEvent,
    ReplySentence,
    ReplyStarted,
    Say,
    Speaker,
)

SHOWN_ENTRIES = 50
"""Journal entries that ``inspect`` shows."""

_WORLD_SPEAKER = Speaker("world", "", "system")

_Out = asyncio.Queue[ReplyEvent | None]
_Turn = Callable[[_Out], Coroutine[Any, Any, None]]


class World:
    """All NPCs of one data folder. Every method runs on the event loop and never blocks it.

    Call ``start`` before anything else and ``close`` at the end.
    """

    def __init__(
        self, library: Mapping[str, LoadedWorld], journal: Journal, language: Language, generator: Generator
    ) -> None:
        self._library, self._journal = library, journal
        self._language, self._generator = language, generator
        self._records: dict[str, NpcRecord] = {}
        self._minds: dict[str, Mind] = {}
        self._waking: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Learn from the journal who exists. Their minds wake when they are first needed."""
        self._records = {record.npc: record for record in await self._journal.all()}

    async def close(self) -> None:
        """End all answers that are under way; what was said until now is in the journal afterwards."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for mind in self._minds.values():
            mind.rest()

    async def spawn(
        self, npc: str, persona: str, *, world: str | None = None, variables: Mapping[str, str] | None = None
    ) -> NpcSummary:
        """Bring ``npc`` into the game, with the memory it has from earlier. Spawning twice is harmless.

        Raises UnknownPersona.
        """
        home = self._home_of(persona, world)
        known = self._records.get(npc)
        record = NpcRecord(
            npc=npc,
            persona=persona,
            world=home.id,
            variables=dict(variables or {}),
            mood=known.mood if known and known.persona == persona else home.personas[persona].mood.default,
            window_start=known.window_start if known else 0,
            spawned_at=known.spawned_at if known else time.time(),
        )
        if known is None or record != known:
            await self._journal.upsert(record)
            self._records[npc] = record
            if known is not None and (known.persona, known.world, known.variables) != (
                record.persona,
                record.world,
                record.variables,
            ):
                self._minds.pop(npc, None)
        mind = await self._mind(npc)
        mind.warm()
        return self._summary(record)

    async def despawn(self, npc: str) -> None:
        """Park ``npc``: it keeps everything and hears nothing. Raises UnknownNpc."""
        record = replace(self._record(npc), active=False)
        await self._journal.upsert(record)
        self._records[npc] = record
        mind = self._minds.pop(npc, None)
        if mind is not None:
            mind.rest()

    def roster(self) -> Sequence[NpcSummary]:
        """Every NPC this world knows, active or parked, by id."""
        return [self._summary(self._records[npc]) for npc in sorted(self._records)]

    async def inspect(self, npc: str) -> NpcInfo:
        """What ``npc`` remembers, costs and feels. Raises UnknownNpc."""
        record, mind = self._record(npc), await self._mind(npc)
        entries = await self._journal.newest(npc, SHOWN_ENTRIES)
        kept = await mind.cache_state()
        return NpcInfo(
            npc=npc,
            persona=record.persona,
            name=mind.persona.name,
            active=record.active,
            mood=record.mood,
            relationships={other: relation.model_dump() for other, relation in mind.persona.relationships.items()},
            journal=tuple(Remembered(e.speaker_name, e.text, e.at) for e in entries),
            tokens=mind.tokens,
            kv_bytes=kept.nbytes,
            kv_tier=kept.tier,
        )

    async def say(self, say: Say) -> AsyncGenerator[ReplyEvent, None]:
        """Stream the answer. The line is in the journal before the first event.

        Closing the iterator (``aclose``) cancels; what was said until then stays said. Raises UnknownNpc,
        LimitExceeded, Overloaded or DeadlinePassed when first advanced.
        """
        deadline = None if say.deadline_ms is None else time.monotonic() + say.deadline_ms / 1000
        minds = [await self._active(npc) for npc in dict.fromkeys((say.npc, *say.hearers))]
        for mind in minds:
            mind.check_length(say.speaker.name, say.text)

        async def turn(out: _Out) -> None:
            async with minds[0].turn:
                await self._remember(minds, "heard", say.speaker, say.text)
                await self._answer(minds[0], minds[1:], say, deadline, out)

        async with aclosing(self._stream(turn)) as events:
            async for event in events:
                yield event

    async def happen(self, happening: Happening) -> AsyncGenerator[ReplyEvent, None]:
        """Journal an event for its hearers and stream their reactions, if it is not silent. Raises UnknownNpc."""
        minds = [await self._active(npc) for npc in dict.fromkeys(happening.hearers)]
        for mind in minds:
            mind.check_length("", happening.text)

        async def turn(out: _Out) -> None:
            await self._remember(minds, "event", _WORLD_SPEAKER, happening.text)
            if happening.silent:
                return
            for mind in minds:
                others = [other for other in minds if other is not mind]
                say = Say(mind.npc, _WORLD_SPEAKER, happening.text, priority=Priority.AMBIENT)
                async with mind.turn:
                    await self._answer(mind, others, say, None, out)

        async with aclosing(self._stream(turn)) as events:
            async for event in events:
                yield event

    async def _stream(self, turn: _Turn) -> AsyncGenerator[ReplyEvent, None]:
        """Run ``turn`` as a task of its own, so that a slow reader holds nobody's mind, and yield what it puts out."""
        out: _Out = asyncio.Queue()
        task = asyncio.get_running_loop().create_task(turn(out))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: out.put_nowait(None))
        try:
            while (event := await out.get()) is not None:
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
        if (room := mind.make_room(say.text, say.max_tokens)) is not None:
            await self._compacted(mind, room, out)
        out.put_nowait(ReplyStarted(mind.npc))
        names = {say.speaker.name, *(hearer.persona.name for hearer in hearers)} - {""}
        answer = mind.answer(say.text, names=names, priority=say.priority, deadline=deadline, max_tokens=say.max_tokens)
        try:
            async with aclosing(answer.pieces()) as pieces:
                async for piece in pieces:
                    make = ReplyDelta if isinstance(piece, Delta) else ReplySentence
                    out.put_nowait(make(mind.npc, piece.text))
        finally:
            # Whoever hung up or whatever failed: what was said is said, and everyone who was there heard it.
            await asyncio.shield(self._keep(mind, hearers, answer, out))
        out.put_nowait(
            ReplyDone(mind.npc, answer.text, answer.finish, answer.usage, answer.timings, self._records[mind.npc].mood)
        )

    async def _keep(self, mind: Mind, hearers: Sequence[Mind], answer: Answer, out: _Out) -> None:
        """Journal an answer and bring it into every mind that was there."""
        said: Entry | None = None
        heard: list[Entry] = []
        try:
            if answer.text:
                speaker = Speaker(mind.npc, mind.persona.name, "npc")
                own = _entry(mind.npc, "said", speaker, answer.text, mind.said_ids(answer))
                others = [_heard(hearer, "heard", speaker, answer.text) for hearer in hearers]
                said, *heard = await self._journal.append([own, *others])
        finally:
            mind.answered(said)
        for hearer, entry in zip(hearers, heard, strict=False):
            hearer.hear(entry)
        for listener in (mind, *hearers):
            if (room := listener.compact()) is not None:
                await self._compacted(listener, room, out)
        mind.warm()

    async def _remember(self, minds: Sequence[Mind], kind: EntryKind, speaker: Speaker, text: str) -> None:
        """Journal a line for everyone who hears it, all or none, then bring it into their minds."""
        entries = await self._journal.append([_heard(mind, kind, speaker, text) for mind in minds])
        for mind, entry in zip(minds, entries, strict=True):
            mind.hear(entry)

    async def _compacted(self, mind: Mind, room: tuple[int, int], out: _Out) -> None:
        record = replace(self._records[mind.npc], window_start=mind.window_start)
        await self._journal.upsert(record)
        self._records[mind.npc] = record
        out.put_nowait(MemoryCompacted(mind.npc, *room))

    async def _active(self, npc: str) -> Mind:
        if not self._record(npc).active:
            raise UnknownNpc(f"{npc!r} was despawned.", remedy="Send npc.spawn for it first.")
        return await self._mind(npc)

    async def _mind(self, npc: str) -> Mind:
        """The mind of a known NPC, woken from the journal if need be. Raises UnknownPersona if its persona is gone."""
        async with self._waking.setdefault(npc, asyncio.Lock()):
            if npc not in self._minds:
                record = self._records[npc]
                mind = Mind(
                    npc,
                    record.persona,
                    self._home_of(record.persona, record.world),
                    language=self._language,
                    generator=self._generator,
                    variables={key: str(value) for key, value in record.variables.items()},
                )
                mind.restore(await self._journal.tail(npc, max(record.window_start - 1, 0)))
                self._minds[npc] = mind
            return self._minds[npc]

    def _record(self, npc: str) -> NpcRecord:
        record = self._records.get(npc)
        if record is None:
            close = difflib.get_close_matches(npc, self._records, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else "Send npc.spawn for it first."
            raise UnknownNpc(f"There is no NPC {npc!r}.", remedy=hint)
        return record

    def _home_of(self, persona: str, world: str | None) -> LoadedWorld:
        homes = [home for home in self._library.values() if persona in home.personas and world in (None, home.id)]
        if homes:
            return homes[0]
        if world is not None and world not in self._library:
            raise UnknownPersona(
                f"There is no world {world!r}.", remedy=f"Loaded are: {', '.join(sorted(self._library))}."
            )
        known = {p for home in self._library.values() if world in (None, home.id) for p in home.personas}
        close = difflib.get_close_matches(persona, known, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Known are: {_some(known)}."
        raise UnknownPersona(f"There is no persona {persona!r}.", remedy=hint)

    def _summary(self, record: NpcRecord) -> NpcSummary:
        home = self._library.get(record.world)
        persona = home.personas.get(record.persona) if home else None
        return NpcSummary(record.npc, record.persona, persona.name if persona else record.persona, record.active)


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


def _some(names: Iterable[str], most: int = 12) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:most]) + (" and more" if len(ordered) > most else "")
