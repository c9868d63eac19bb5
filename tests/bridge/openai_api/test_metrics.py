"""What Prometheus reads, and whoever restarts services."""

from collections.abc import Mapping
from typing import Any

import httpx
import openai
from prometheus_client.parser import text_string_to_metric_families

from bridge.openai_api.metrics import Metrics
from npc_engine.errors import NpcEngineError
from npc_engine.inference.request import EngineStats, TierUse
from tests.bridge.openai_api.conftest import Serve

WORDS: list[Any] = [{"role": "user", "content": "the smith and the miller"}]


def read(page: str) -> Mapping[str, float]:
    """Samples by name and labels."""
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def test_completions_are_counted_and_timed(client: openai.AsyncOpenAI, plain: httpx.AsyncClient) -> None:
    before = read((await plain.get("/metrics")).text)
    await client.chat.completions.create(model="x", messages=WORDS, max_tokens=3, extra_body={"ignore_eos": True})
    async with await client.chat.completions.create(
        model="x", messages=WORDS, max_tokens=400, stream=True, extra_body={"ignore_eos": True}
    ) as stream:
        async for _ in stream:
            break
    await plain.post("/v1/chat/completions", json={})
    while (after := read((await plain.get("/metrics")).text)).get("npc_engine_http_completions_total left") is None:
        pass
    assert after["npc_engine_http_completions_total length"] == 1
    assert after["npc_engine_http_completions_total refused"] == 1
    assert after["npc_engine_http_first_token_seconds_count"] == 2
    assert after["npc_engine_http_completion_seconds_count"] == 1
    assert after["npc_engine_generated_tokens_total"] > before["npc_engine_generated_tokens_total"] + 3
    assert after["npc_engine_steps_total"] > before["npc_engine_steps_total"]
    assert after["npc_engine_prompt_tokens_total"] > before["npc_engine_prompt_tokens_total"]
    assert after["npc_engine_tier_budget_bytes ram"] == 1 << 30


def test_the_engines_counters_are_all_there() -> None:
    tiers = {"device": TierUse(1, 2), "disk": TierUse(3, 4)}
    stats = EngineStats(5, 6, 7, 8, 9, 10, 11, tiers)
    page = read(Metrics().page(stats).decode())
    assert [page[f"npc_engine_{name}"] for name in ("running", "waiting")] == [5, 6]
    names = ("steps", "prompt_tokens", "cached_tokens", "generated_tokens", "parked")
    assert [page[f"npc_engine_{name}_total"] for name in names] == [7, 8, 9, 10, 11]
    assert [page[f"npc_engine_tier_used_bytes {tier}"] for tier in tiers] == [1, 3]
    assert [page[f"npc_engine_tier_budget_bytes {tier}"] for tier in tiers] == [2, 4]


class Dead:
    """An engine that is not there any more."""

    async def stats(self) -> EngineStats:
        raise NpcEngineError("The engine is shutting down.", remedy="Connect again when it is back.")


async def test_a_dead_engine_is_not_healthy(serve: Serve) -> None:
    async with serve(Dead()) as server, httpx.AsyncClient() as client:
        for path in ("healthz", "metrics"):
            answer = await client.get(f"http://127.0.0.1:{server.port}/{path}")
            assert (answer.status_code, answer.json()["error"]["type"]) == (503, "server_error")
