"""What a game feels: a server in a process of its own, and a client over its socket."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bridge.client import Client
from npc_engine.cli.bench.measure import Figure, percentile
from npc_engine.cli.bench.own_server import own_server

_WORDS = ("river", "mill", "forge", "market", "wolf", "lantern", "harvest", "bridge", "winter", "tower", "castle")


@dataclass(frozen=True, slots=True)
class Load:
    """So many villagers, of whom so many speak at once for so long; and turns of one that is alone."""

    crowd: int = 50
    speaking: int = 16
    seconds: float = 10.0
    turns: int = 30


async def measure_served(model: str, load: Load) -> AsyncIterator[Figure]:
    """Start a server with a crowd of villagers and measure starting, first tokens, pings under load, and memory."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        write_crowd(Path(folder) / "crowd", load.crowd)
        options = ("--model", model, "--personas", str(Path(folder) / "crowd"))
        async with own_server(Path(folder) / "data", *options) as served, Client(served.url) as client:
            yield Figure("start to listening", served.start_seconds, "s", 5.0, note="model in the cache")
            firsts, prompts = await _first_tokens(client, load.turns)
            note = f"{load.turns} turns, prompts of {min(prompts)} to {max(prompts)} tokens, over the socket"
            yield Figure("first token, warm, p50", percentile(firsts, 0.5) * 1e3, "ms", 120.0, note=note)
            yield Figure("first token, warm, p95", percentile(firsts, 0.95) * 1e3, "ms")
            pings, spoken = await _pings_under_load(client, load)
            note = f"{len(pings)} pings, {load.speaking} speak, {spoken / load.seconds:.0f} deltas a second"
            yield Figure("ping, p50", percentile(pings, 0.5) * 1e3, "ms", note=note)
            yield Figure("ping, p99", percentile(pings, 0.99) * 1e3, "ms", 20.0)
            await _everyone_speaks(client, load)
            resident = served.resident / 1e9
            yield Figure("resident memory", resident, "GB", 1.5, note=f"{load.crowd} NPCs, each spoken to")


def write_crowd(folder: Path, crowd: int) -> None:
    """A world of so many villagers of about 300 tokens each, all different."""
    folder.mkdir(parents=True)
    rng = Random(0)
    folder.joinpath("world.yaml").write_text(f"name: Crowd\nsetting: {_prose(rng, 90)}\n", encoding="utf-8")
    for i in range(crowd):
        text = (
            f"name: Villager {i}\nsummary: villager number {i}\nbackground: {_prose(rng, 60)}\n"
            "generation: {temperature: 0.8, max_tokens: 120, max_sentences: 12}\n"
        )
        folder.joinpath(f"villager{i}.yaml").write_text(text, encoding="utf-8")


def _prose(rng: Random, words: int) -> str:
    return " ".join(f"The {rng.choice(_WORDS)} is near the {rng.choice(_WORDS)}." for _ in range(words // 6))


async def _first_tokens(client: Client, turns: int) -> tuple[list[float], list[int]]:
    """Seconds until the first piece of each of ``turns`` answers of one NPC, and the prompts' lengths."""
    await client.spawn("alone", persona="villager0")
    rng, firsts, prompts = Random(1), [], []
    for turn in range(turns + 2):
        reply = client.say("alone", _prose(rng, 18), max_tokens=24)
        began, first = time.perf_counter(), 0.0
        async for _ in reply:
            first = first or time.perf_counter() - began
        done = await reply
        await asyncio.sleep(0.1)
        # The first two turns are for the machine to warm up; a reply without a word has no first token.
        if turn >= 2 and first:
            firsts.append(first)
            assert done.usage is not None, "an answer that was not cancelled says what it cost"
            prompts.append(done.usage.prompt_tokens)
    return firsts, prompts


async def _pings_under_load(client: Client, load: Load) -> tuple[list[float], int]:
    """Round trips of pings while villagers talk without pause, and how many pieces they said meanwhile."""
    spoken = 0
    stop = time.perf_counter() + load.seconds

    async def talk(i: int) -> None:
        nonlocal spoken
        await client.spawn(f"v{i}", persona=f"villager{i}")
        while time.perf_counter() < stop:
            reply = client.say(f"v{i}", "Tell me everything you know about the valley.")
            async for _ in reply:
                spoken += 1

    talkers = [asyncio.create_task(talk(i)) for i in range(load.speaking)]
    pings = []
    while time.perf_counter() < stop:
        began = time.perf_counter()
        await client.ping()
        pings.append(time.perf_counter() - began)
        await asyncio.sleep(0.02)
    in_time = spoken
    await asyncio.gather(*talkers)
    return pings, in_time


async def _everyone_speaks(client: Client, load: Load) -> None:
    for first in range(0, load.crowd, load.speaking):
        group = range(first, min(first + load.speaking, load.crowd))
        for i in group:
            await client.spawn(f"v{i}", persona=f"villager{i}")
        await asyncio.gather(*(client.say(f"v{i}", "Who are you?", max_tokens=40) for i in group))
