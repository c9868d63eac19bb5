"""Attention state in its tiers, as a game sees and steers it: a real engine behind real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import torch

from bridge.client import Client, ProtocolError
from bridge.protocol import KvUse
from bridge.server import Server
from npc_engine.inference.load import EngineOptions, load_engine
from npc_engine.inference.model.spec import read_spec
from npc_engine.inference.probe import Choice, probe
from npc_engine.inference.thread import EngineThread
from tests.tiny import make_tiny
from tests.village import NAMES, language_of, make_library, open_village

MIB = 1 << 20
VILLAGERS = [name.lower() for name in NAMES]
LIBRARY = make_library(generation={"temperature": 0, "max_tokens": 40, "max_sentences": 50})


@pytest.fixture(autouse=True)
async def in_time():
    async with asyncio.timeout(30):
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiers") / "tiny")


@pytest.fixture(scope="module")
def choice(model: Path) -> Choice:
    return probe(read_spec(model), dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture(autouse=True)
def one_machine(choice: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every start makes the same choice: what was computed by other kernels is not used, and rightly so."""
    monkeypatch.setattr("npc_engine.inference.load.probe", lambda *_, **__: choice)


@asynccontextmanager
async def served(model: Path, data: Path) -> AsyncIterator[Client]:
    """A client of a server on ``data``, from its start to its end."""
    options = EngineOptions(
        dtype="float32",
        device="cpu",
        max_batch=8,
        max_context=1024,
        device_budget=64 * MIB,
        ram_budget=32 * MIB,
        disk_budget=16 * MIB,
        disk=data / "kv",
        disk_codec="raw",  # what is read back must say the same to the last bit
    )
    loaded = load_engine(model, options)
    with EngineThread(loaded.engine) as engine:
        async with (
            open_village(data, engine, language_of(loaded), LIBRARY) as village,
            Server(village.world, port=0) as server,
            Client(server.url) as client,
        ):
            yield client


async def in_ram(client: Client, npc: str) -> KvUse:
    """Wait until all that ``npc`` has in mind is kept, and in RAM."""
    async with asyncio.timeout(10):
        while True:
            info = await client.inspect(npc)
            everything = sum(info.tokens[part] for part in ("shared", "persona", "history"))
            if (info.kv.tier, info.kv.tokens) == ("ram", everything):
                return info.kv
            await asyncio.sleep(0.01)


async def test_a_hint_brings_up_from_disk_what_an_npc_had_in_mind_before_the_restart(
    model: Path, tmp_path: Path
) -> None:
    async with served(model, tmp_path / "data") as client:
        await client.spawn("ada", "ada")
        await client.say("ada", "Good day.")
        before = await in_ram(client, "ada")
    async with served(model, tmp_path / "data") as client:
        kv = (await client.inspect("ada")).kv
        assert (kv.tier, kv.tiers["device"], kv.tiers["ram"]) == ("disk", 0, 0)
        assert kv.bytes == kv.tiers["disk"] > 0
        assert kv.tokens == before.tokens
        await client.hint(["ada"], eta_ms=500)
        assert await in_ram(client, "ada") == before
        assert (await client.stats()).engine.steps == 0
        usage = (await client.say("ada", "And now?")).usage
        assert usage is not None
        assert usage.cached_tokens >= kv.tokens


async def test_budgets_shrink_and_grow_while_everyone_speaks_and_nobody_notices(model: Path, tmp_path: Path) -> None:
    async def all_say(client: Client) -> list[str]:
        replies = [client.say(npc, "Tell me a tale.") for npc in VILLAGERS]
        return [(await reply).text for reply in replies]

    async with served(model, tmp_path / "calm") as client:
        for npc in VILLAGERS:
            await client.spawn(npc, npc)
        expected = await all_say(client)
    async with served(model, tmp_path / "hurried") as client:
        for npc in VILLAGERS:
            await client.spawn(npc, npc)
        talk = asyncio.create_task(all_say(client))
        least = await refused_least(client)
        budgets = [(least, 0, 0), (64 * MIB, MIB, 4 * MIB), (2 * least, 32 * MIB, 16 * MIB)]
        while not talk.done():
            for device, ram, disk in budgets:
                await client.budget(device_bytes=device, ram_bytes=ram, disk_bytes=disk)
                tiers = (await client.stats()).tiers
                assert tiers["device"].used <= device
                assert [tiers[name].budget for name in ("device", "ram", "disk")] == [device, ram, disk]
                await asyncio.sleep(0.005)
        assert await talk == expected
        await client.budget(device_bytes=least, ram_bytes=MIB // 2, disk_bytes=MIB)
        async with asyncio.timeout(10):  # what is in RAM only is written down before it leaves
            while any(tier.used > tier.budget for tier in (await client.stats()).tiers.values()):
                await asyncio.sleep(0.01)


async def test_a_game_that_needs_the_processor_slows_everyone_down_for_a_while(model: Path, tmp_path: Path) -> None:
    async def says(client: Client) -> int:
        replies = [client.say(npc, "Tell me a tale.") for npc in VILLAGERS]
        return sum([(await reply).usage.completion_tokens for reply in replies])

    async with served(model, tmp_path) as client:
        for npc in VILLAGERS:
            await client.spawn(npc, npc)
        await client.budget(tokens_per_second=100)
        began = asyncio.get_running_loop().time()
        tokens = await says(client)
        # All but the last step's, at most one of each, are waited for.
        assert asyncio.get_running_loop().time() - began >= (tokens - len(VILLAGERS)) / 100 > 1
        await client.budget(tokens_per_second=0.001)
        slow = asyncio.create_task(says(client))
        await asyncio.sleep(0.2)
        assert not slow.done()
        await client.budget(tokens_per_second=0)
        assert await slow > 0


async def refused_least(client: Client) -> int:
    """The bytes that one context needs, as the refusal of less says."""
    with pytest.raises(ProtocolError, match="does not hold one context") as caught:
        await client.budget(device_bytes=1, ram_bytes=0)
    assert (caught.value.code, caught.value.path) == ("bad_message", "device_bytes")
    assert (await client.stats()).tiers["ram"].budget == 32 * MIB
    return int(caught.value.message.partition("at least ")[2].split()[0].replace(",", ""))


async def test_stats_tell_what_was_done_and_what_is_kept(model: Path, tmp_path: Path) -> None:
    async with served(model, tmp_path / "data") as client:
        await client.spawn("ada", "ada")
        usage = (await client.say("ada", "Good day.")).usage
        assert usage is not None
        await in_ram(client, "ada")
        stats = await client.stats()
        assert list(stats.tiers) == ["device", "ram", "disk"]
        assert stats.tiers["ram"].used > 0
        assert stats.engine.generated_tokens == usage.completion_tokens
        assert stats.engine.prompt_tokens >= usage.prompt_tokens
        assert stats.engine.cached_tokens >= usage.cached_tokens
        assert (stats.npcs.known, stats.npcs.awake) == (1, 1)
