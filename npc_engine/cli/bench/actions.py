"""How often what an NPC does is valid and sensible, and what offering actions costs."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from jsonschema import Draft202012Validator

from npc_engine.cli.bench.measure import Figure, percentile
from npc_engine.cli.bench.situations import NONE, Situation, read_situations
from npc_engine.config import example_worlds
from npc_engine.inference.grammar import Grammars
from npc_engine.inference.load import load_engine
from npc_engine.inference.thread import EngineThread
from npc_engine.mind.actions import filled, present
from npc_engine.mind.markup import read_markup
from npc_engine.mind.mind import Language
from npc_engine.persona.loading import load_library
from npc_engine.store import DataFolder, Journal
from npc_engine.world.actions import ActionBook, Offers, Scope
from npc_engine.world.events import ReplyAction, ReplyDone, Say, Speaker, Update
from npc_engine.world.world import World

QUICK = 6
PLAYER = Speaker("p1", "Mira")
WORLD = "oakvale"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one situation. Times are seconds: until the first token, and from the speech's end to the act."""

    situation: Situation
    deed: ReplyAction | None
    first_token: float
    plain_first_token: float
    deciding: float

    @property
    def valid(self) -> bool:
        """Whether the game can do what it is asked to: something offered, with arguments as its schema says."""
        if self.deed is None:
            return True
        there = present([PLAYER.name], self.situation.facts)
        action = next((action for action in self.situation.offered if action.name == self.deed.name), None)
        schema = filled(action.schema, there) if action is not None else None
        return schema is not None and bool(Draft202012Validator(schema).is_valid(dict(self.deed.args)))

    @property
    def sensible(self) -> bool:
        """Whether the action is one of those that make sense."""
        return (self.deed.name if self.deed is not None else NONE) in self.situation.sensible

    @property
    def exact(self) -> bool:
        """Whether it is done with the right things, where it is the right action."""
        wanted = self.situation.sensible.get(self.deed.name, {}) if self.deed is not None else {}
        return all(self.deed is not None and self.deed.args.get(key) == value for key, value in wanted.items())


async def play(folder: Path, situations: Sequence[Situation]) -> AsyncIterator[Outcome]:
    """Play ``situations`` with the model in ``folder``, each with an NPC of its own."""
    loaded = load_engine(folder)
    end_ids = loaded.spec.end_ids
    language = Language(loaded.tokenizer, read_markup(folder, loaded.tokenizer), end_ids, Grammars(folder, end_ids))
    with TemporaryDirectory() as data, EngineThread(loaded.engine) as engine, DataFolder(Path(data)) as held:
        async with await Journal.open(held) as journal:
            world = World(load_library(example_worlds()), journal, language, engine)
            await world.start()
            try:
                for number, situation in enumerate(situations):
                    yield await _play(world, situation, number)
            finally:
                await world.close()


async def measure_actions(folder: Path, *, quick: bool = False) -> AsyncIterator[Figure | Outcome]:
    """The outcomes as they come, then the figures."""
    situations = read_situations()
    outcomes: list[Outcome] = []
    async for outcome in play(folder, situations[:QUICK] if quick else situations):
        outcomes.append(outcome)
        yield outcome
    acts = [outcome for outcome in outcomes if outcome.deed is not None]
    yield Figure("valid", _share([o.valid for o in acts]), "%", 100, at_least=True, note=f"of {len(acts)} actions")
    for name, half in (("known half", outcomes[::2]), ("unseen half", outcomes[1::2])):
        yield Figure(f"sensible, {name}", _share([o.sensible for o in half]), "%", note=f"of {len(half)} situations")
        right = [o.exact for o in half if o.deed is not None and o.sensible and o.situation.sensible[o.deed.name]]
        yield Figure("  with the right things", _share(right), "%", note=f"of {len(right)} acts that name some")
        chance = 100 * sum(o.situation.chance() for o in half) / len(half)
        yield Figure("  a random one instead", chance, "%", note="any action offered, or none")
        yield Figure("  always none instead", _share([NONE in o.situation.sensible for o in half]), "%")
    added = [1000 * (o.first_token - o.plain_first_token) for o in outcomes]
    yield Figure("first token, no actions, p50", 1000 * _median([o.plain_first_token for o in outcomes]), "ms")
    yield Figure("added to it by actions, p50", _median(added), "ms", note="of each situation with and without")
    yield Figure("from speech to act, p50", 1000 * _median([o.deciding for o in outcomes]), "ms", note="or to none")


async def _play(world: World, situation: Situation, number: int) -> Outcome:
    # The first of them reads what all who have this persona share.
    await _listen(world, situation, f"reads {number}", Offers())
    plain, *_ = await _listen(world, situation, f"talks {number}", Offers())
    npc, book = f"acts {number}", ActionBook()
    book.register(Scope(npc=npc), situation.offered)
    done, deed, deciding = await _listen(world, situation, npc, Offers(book))
    return Outcome(situation, deed, done.timings.first_token, plain.timings.first_token, deciding)


async def _listen(
    world: World, situation: Situation, npc: str, offers: Offers
) -> tuple[ReplyDone, ReplyAction | None, float]:
    """The end of the reply, what was done, and the seconds between the last word and the end."""
    await world.spawn(npc, situation.persona, world=WORLD)
    await world.update(Update(npc, situation.facts))
    deed, spoke = None, time.perf_counter()
    async for event in world.say(Say(npc, PLAYER, situation.says, offers=offers)):
        match event:
            case ReplyAction():
                deed = event
            case ReplyDone():
                done, ended = event, time.perf_counter()
            case _:
                spoke = time.perf_counter()
    await world.despawn(npc)
    return done, deed, ended - spoke


def _share(found: Sequence[bool]) -> float:
    return 100 * sum(found) / len(found) if found else float("nan")


def _median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)
