"""How often what an NPC does is valid and sensible, and what offering actions costs."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
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
from npc_engine.world.events import ReplyAction, ReplyDelta, ReplyDone, ReplySentence, Say, Speaker, Update
from npc_engine.world.world import World

QUICK = 6
PLAYER = Speaker("p1", "Mira")
FRIEND = {"trust": 3, "note": "pulled you out of the river"}
ENEMY = {"trust": -5, "note": "poisoned your well"}
WORLD = "oakvale"


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did in a situation, None for nothing, ``seconds`` after the last word that was said."""

    situation: Situation
    deed: ReplyAction | None
    seconds: float

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
    def wanted(self) -> Mapping[str, object]:
        """The arguments that matter of what was done; none where it is not the right action."""
        return self.situation.sensible.get(self.deed.name, {}) if self.deed is not None else {}

    @property
    def exact(self) -> bool:
        """Whether it is done with the right things."""
        return all(self.deed is not None and self.deed.args.get(key) == value for key, value in self.wanted.items())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one situation: after words, and without any, also when a friend asks and when an enemy does.

    Times are seconds until the first token, with actions and without.
    """

    spoken: Act
    wordless: Act
    for_friend: Act
    for_enemy: Act
    first_token: float
    plain_first_token: float


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
    spoken, wordless = [outcome.spoken for outcome in outcomes], [outcome.wordless for outcome in outcomes]
    yield _valid("valid", spoken)
    for name, half in (("known half", spoken[::2]), ("unseen half", spoken[1::2])):
        yield _sensible(f"sensible, {name}", half)
        right = [act.exact for act in half if act.wanted]
        yield Figure("  with the right things", _share(right), "%", note=f"of {len(right)} acts that name some")
        chance = 100 * sum(act.situation.chance() for act in half) / len(half)
        yield Figure("  a random one instead", chance, "%", note="any action offered, or none")
        yield Figure("  always none instead", _share([NONE in act.situation.sensible for act in half]), "%")
    yield _valid(
        "without words, valid", [*wordless, *(o.for_friend for o in outcomes), *(o.for_enemy for o in outcomes)]
    )
    for name, half in (("known half", wordless[::2]), ("unseen half", wordless[1::2])):
        yield _sensible(f"  sensible, {name}", half)
    acted = [outcome for outcome in outcomes if outcome.wordless.deed is not None]
    note = f"of {len(acted)} acts for a stranger"
    yield Figure("  not done for a friend", _share([o.for_friend.deed is None for o in acted]), "%", note=note)
    yield Figure("  not done for an enemy", _share([o.for_enemy.deed is None for o in acted]), "%", note=note)
    added = [1000 * (o.first_token - o.plain_first_token) for o in outcomes]
    yield Figure("first token, no actions, p50", 1000 * _median([o.plain_first_token for o in outcomes]), "ms")
    yield Figure("added to it by actions, p50", _median(added), "ms", note="of each situation with and without")
    yield Figure("from speech to act, p50", 1000 * _median([act.seconds for act in spoken]), "ms", note="or to none")
    yield Figure("from line to act, p50", 1000 * _median([act.seconds for act in wordless]), "ms", note="without words")


async def _play(world: World, situation: Situation, number: int) -> Outcome:
    # The first of them reads what all who have this persona share.
    await _listen(world, situation, f"reads {number}")
    plain, _ = await _listen(world, situation, f"talks {number}")
    done, spoken = await _listen(world, situation, f"acts {number}", offering=True)
    wordless, for_friend, for_enemy = [
        (await _listen(world, situation, f"{who} {number}", offering=True, max_tokens=0, stance=stance))[1]
        for who, stance in (("stranger", None), ("friend", FRIEND), ("enemy", ENEMY))
    ]
    return Outcome(spoken, wordless, for_friend, for_enemy, done.timings.first_token, plain.timings.first_token)


async def _listen(
    world: World,
    situation: Situation,
    npc: str,
    *,
    offering: bool = False,
    max_tokens: int | None = None,
    stance: Mapping[str, object] | None = None,
) -> tuple[ReplyDone, Act]:
    """The end of the reply, and what was done."""
    book = ActionBook()
    if offering:
        book.register(Scope(npc=npc), situation.offered)
    await world.spawn(npc, situation.persona, world=WORLD)
    await world.update(Update(npc, situation.facts, relationships={PLAYER.id: stance} if stance else {}))
    deed, spoke = None, time.perf_counter()
    async for event in world.say(Say(npc, PLAYER, situation.says, max_tokens=max_tokens, offers=Offers(book))):
        match event:
            case ReplyAction():
                deed = event
            case ReplyDone():
                done, ended = event, time.perf_counter()
            case ReplyDelta() | ReplySentence():
                spoke = time.perf_counter()
            case _:
                pass
    await world.despawn(npc)
    return done, Act(situation, deed, ended - spoke)


def _valid(name: str, acts: Sequence[Act]) -> Figure:
    done = [act.valid for act in acts if act.deed is not None]
    return Figure(name, _share(done), "%", 100, at_least=True, note=f"of {len(done)} actions")


def _sensible(name: str, acts: Sequence[Act]) -> Figure:
    return Figure(name, _share([act.sensible for act in acts]), "%", note=f"of {len(acts)} situations")


def _share(found: Sequence[bool]) -> float:
    return 100 * sum(found) / len(found) if found else float("nan")


def _median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)
