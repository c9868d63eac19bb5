"""A village without files, on a tiny model or on a script: what tests of minds and worlds are made of."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from npc_engine.inference.grammar import Grammars
from npc_engine.inference.load import LoadedEngine
from npc_engine.inference.request import (
    Budgets,
    CacheState,
    EngineStats,
    FinishReason,
    Generator,
    Output,
    Request,
    Timings,
    Usage,
)
from npc_engine.mind.markup import read_markup
from npc_engine.mind.mind import Language
from npc_engine.persona import LoadedWorld, Persona, WorldFile
from npc_engine.store import DataFolder, Journal
from npc_engine.world.events import MemoryCompacted, ReplyDelta, ReplyDone, ReplyEvent, Say, Speaker
from npc_engine.world.world import World

NAMES = ("Ada", "Bo", "Cleo", "Dag", "Eve", "Finn", "Gus", "Hal")
MIRA = Speaker("p1", "Mira")


def make_library(**changes: object) -> Mapping[str, LoadedWorld]:
    """Eight villagers who answer greedily and briefly. ``changes`` are persona fields, the same for all of them."""
    fields: dict[str, object] = {
        "generation": {"temperature": 0, "max_tokens": 8, "max_sentences": 50},
        "memory": {"window_tokens": 256},
        **changes,
    }
    personas = {
        name.lower(): Persona.model_validate({"name": name, "summary": f"villager {name}", **fields}) for name in NAMES
    }
    world = WorldFile.model_validate(
        {"name": "Hollow", "setting": "A hollow.", "lore": ({"text": "The well is dry.", "keys": ("well",)},)}
    )
    return {"hollow": LoadedWorld("hollow", Path("hollow"), world, personas)}


def language_of(loaded: LoadedEngine) -> Language:
    """The language of a loaded model."""
    folder = loaded.spec.folder
    markup, end_ids = read_markup(folder, loaded.tokenizer), loaded.spec.end_ids
    return Language(loaded.tokenizer, markup, end_ids, Grammars(folder, end_ids))


class Overheard:
    """A generator that notes what passes on its way to ``generator`` and back."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.requests: list[Request] = []
        self.usage: dict[str, Usage] = {}
        self.prefetched: list[tuple[int, ...]] = []
        self.outputs: list[Output] = []

    @property
    def max_context(self) -> int:
        return self._generator.max_context

    def new_id(self) -> str:
        return self._generator.new_id()

    async def generate(self, request: Request) -> AsyncGenerator[Output, None]:
        self.requests.append(request)
        async with aclosing(self._generator.generate(request)) as outputs:
            async for output in outputs:
                self.usage[request.id] = output.usage
                self.outputs.append(output)
                yield output

    async def cache_state(self, prompt: tuple[int, ...]) -> CacheState:
        return await self._generator.cache_state(prompt)

    async def prefetch(self, prompt: tuple[int, ...], within: float) -> None:
        self.prefetched.append(prompt)
        await self._generator.prefetch(prompt, within)

    async def forget(self, prompt: tuple[int, ...], shared: int, keep: Sequence[tuple[int, ...]]) -> None:
        await self._generator.forget(prompt, shared, keep)

    async def set_budgets(self, budgets: Budgets) -> None:
        await self._generator.set_budgets(budgets)

    async def stats(self) -> EngineStats:
        return await self._generator.stats()

    @property
    def answers(self) -> list[Request]:
        """The requests that were for an answer, not for warming up."""
        return [request for request in self.requests if request.sampling.max_tokens]


class Script:
    """A generator that says what it is told to, a word at a time, and can be held in the middle of it.

    ``replies`` maps a piece of Mira's newest line to an answer; anything else is answered ``"Aye. Good day."``.
    While ``gate`` is closed no answer gets past its first word. It keeps the prompts in ``kept``. What shall be scored
    is, with all before it, as likely as ``likelihood`` says of the text, in nats.
    """

    max_context = 4096

    def __init__(self, tokenizer_decode: Callable[[list[int]], str]) -> None:
        self._decode = tokenizer_decode
        self._numbers = 0
        self.replies: dict[str, str] = {}
        self.likelihood: Callable[[str], float] = lambda _: 0.0
        self.finish = FinishReason.STOP
        self.error = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self.speaking: asyncio.Queue[str] = asyncio.Queue()
        self.closed: list[str] = []
        self.requests: list[Request] = []
        self.kept: set[tuple[int, ...]] = set()
        self.prefetched: list[tuple[tuple[int, ...], float]] = []
        self.budgets: list[Budgets] = []
        self.forgotten: list[tuple[int, ...]] = []

    def new_id(self) -> str:
        self._numbers += 1
        return f"s{self._numbers}"

    async def cache_state(self, prompt: tuple[int, ...]) -> CacheState:
        return CacheState(len(prompt), {"ram": 1}) if prompt in self.kept else CacheState(0, {})

    async def prefetch(self, prompt: tuple[int, ...], within: float) -> None:
        self.prefetched.append((prompt, within))

    async def forget(self, prompt: tuple[int, ...], shared: int, keep: Sequence[tuple[int, ...]]) -> None:
        self.forgotten.append(prompt)

    async def set_budgets(self, budgets: Budgets) -> None:
        self.budgets.append(budgets)

    async def stats(self) -> EngineStats:
        return EngineStats(steps=len(self.requests))

    async def generate(self, request: Request) -> AsyncGenerator[Output, None]:
        self.requests.append(request)
        usage, timings = Usage(len(request.prompt)), Timings()
        if not request.sampling.max_tokens:
            scores = (self.likelihood(self._decode(list(request.prompt))),) if request.scored else ()
            yield Output(request.id, usage, timings, finish=FinishReason.LENGTH, scores=scores)
            return
        newest = self._decode(list(request.prompt)).rpartition("Mira: ")[2]
        reply = next((reply for key, reply in self.replies.items() if key in newest), "Aye. Good day.")
        finished = False
        try:
            for number, word in enumerate(re.findall(r"\s*\S+", reply)):
                if number == 1:
                    self.speaking.put_nowait(request.id)
                    await self.gate.wait()
                await asyncio.sleep(0)
                yield Output(request.id, usage, timings, text=word)
            finished = True
            yield Output(request.id, usage, timings, finish=self.finish, error=self.error)
        finally:
            if not finished:
                self.closed.append(request.id)


@dataclass(frozen=True, slots=True)
class Village:
    """A world with what it stands on."""

    world: World
    journal: Journal
    language: Language

    async def spawn(self, *npcs: str) -> None:
        for npc in npcs:
            await self.world.spawn(npc, npc)

    def say(self, npc: str, text: str, hearers: Sequence[str] = (), **more: object) -> AsyncGenerator[ReplyEvent, None]:
        return self.world.say(replace(Say(npc, MIRA, text, tuple(hearers)), **more))

    async def talk(self, npc: str, text: str, hearers: Sequence[str] = (), **more: object) -> list[ReplyEvent]:
        """Say something and listen to the end."""
        return [event async for event in self.say(npc, text, hearers, **more)]

    async def remembers(self, npc: str) -> list[tuple[str, str]]:
        """The journal of ``npc``: who said what."""
        return [(entry.speaker_name, entry.text) for entry in await self.journal.tail(npc)]

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.language.tokenizer.encode_text(text))

    def decode(self, ids: Sequence[int]) -> str:
        return self.language.tokenizer.decode(list(ids))


@asynccontextmanager
async def open_village(
    folder: Path, generator: Generator, language: Language, library: Mapping[str, LoadedWorld] | None = None
) -> AsyncIterator[Village]:
    """A world on the data folder ``folder``, until the block is left."""
    with DataFolder(folder) as data:
        async with await Journal.open(data) as journal:
            world = World(library or make_library(), journal, language, generator)
            await world.start()
            try:
                yield Village(world, journal, language)
            finally:
                await world.close()


def said(events: Sequence[ReplyEvent]) -> str:
    """What the deltas say together."""
    return "".join(event.text for event in events if isinstance(event, ReplyDelta))


def done(events: Sequence[ReplyEvent]) -> ReplyDone:
    """The one end of a reply."""
    (end,) = [event for event in events if isinstance(event, ReplyDone)]
    return end


def compacted(events: Sequence[ReplyEvent]) -> list[MemoryCompacted]:
    return [event for event in events if isinstance(event, MemoryCompacted)]
