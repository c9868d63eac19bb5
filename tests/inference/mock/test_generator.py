"""The mock keeps a generator's promises: limits, stops, deadlines, ends, counters."""

import asyncio
import json
import time
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_engine.errors import LimitExceeded
from npc_engine.inference.grammar import Grammars
from npc_engine.inference.mock.load import FOLDER, LoadedMock, load_mock
from npc_engine.inference.request import Budgets, FinishReason, Output, Request, Sampling, TierUse

LARGE = load_mock(max_context=1000, seed=0, pace=0.0, budgets=Budgets())
GRAMMAR = Grammars(FOLDER, LARGE.end_ids).of_schema(
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "tags": {"items": {"enum": ["a", "b"]}, "maxItems": 3}},
        "required": ["name", "tags"],
    }
)
REQUEST = Request("r", (5, 6, 7), Sampling(max_tokens=200, seed=3))


@pytest.fixture
def mock() -> LoadedMock:
    return load_mock(max_context=300, seed=0, pace=0.0, budgets=Budgets(ram=10))


async def outputs(mock: LoadedMock, request: Request) -> list[Output]:
    async with aclosing(mock.generator.generate(request)) as stream:
        return [output async for output in stream]


def text(outputs: list[Output]) -> str:
    return "".join(output.text for output in outputs)


async def test_ids_and_text_are_the_same_words_and_only_the_last_output_ends(mock: LoadedMock) -> None:
    got = await outputs(mock, REQUEST)
    ids = [id for output in got for id in output.token_ids]
    assert mock.tokenizer.decode(ids) == text(got) != ""
    assert [output.finish for output in got] == [None] * (len(got) - 1) + [FinishReason.STOP]
    assert got[-1].usage.completion_tokens == len(ids)


async def test_the_seed_decides_or_else_the_prompt(mock: LoadedMock) -> None:
    async def say(prompt: tuple[int, ...], seed: int | None) -> str:
        return text(await outputs(mock, Request("r", prompt, Sampling(max_tokens=200, seed=seed))))

    assert await say((1,), 3) == await say((2,), 3)
    assert len({await say((1,), seed) for seed in range(20)}) > 10
    assert await say((1,), None) == await say((1,), None)
    assert len({await say((id,), None) for id in range(20)}) > 10


async def test_it_ends_at_a_limit_a_stop_or_a_deadline(mock: LoadedMock) -> None:
    whole = text(await outputs(mock, REQUEST))
    cut = await outputs(mock, replace(REQUEST, sampling=replace(REQUEST.sampling, max_tokens=4)))
    assert (cut[-1].finish, cut[-1].usage.completion_tokens) == (FinishReason.LENGTH, 4)
    assert whole.startswith(text(cut))
    word = whole.split()[2]
    stopped = await outputs(mock, replace(REQUEST, sampling=replace(REQUEST.sampling, stop=(word,))))
    assert (stopped[-1].finish, text(stopped)) == (FinishReason.STOP, whole[: whole.find(word)])
    late = await outputs(mock, replace(REQUEST, deadline=time.monotonic() - 1))
    assert [output.finish for output in late] == [FinishReason.DEADLINE]
    on = await outputs(mock, replace(REQUEST, sampling=replace(REQUEST.sampling, ignore_stop_ids=True)))
    assert on[-1].usage.completion_tokens == 200


async def test_a_prompt_beyond_the_context_is_refused(mock: LoadedMock) -> None:
    with pytest.raises(LimitExceeded, match="room for 100"):
        await outputs(mock, replace(REQUEST, prompt=(1,) * 101))


async def test_one_that_is_left_early_runs_no_more(mock: LoadedMock) -> None:
    async with aclosing(mock.generator.generate(REQUEST)) as stream:
        await anext(stream)
        assert (await mock.generator.stats()).running == 1
    stats = await mock.generator.stats()
    assert (stats.running, stats.prompt_tokens, stats.generated_tokens) == (0, 3, 1)


async def test_no_more_is_said_in_a_second_than_may_be(mock: LoadedMock) -> None:
    await mock.generator.set_budgets(Budgets(tokens_per_second=50))
    began = time.monotonic()
    said = sum(len(output.token_ids) for output in await outputs(mock, REQUEST))
    assert time.monotonic() - began >= (said - 1) / 50 > 0


async def test_budgets_are_told_as_they_were_set(mock: LoadedMock) -> None:
    await mock.generator.set_budgets(Budgets(device=4))
    tiers = (await mock.generator.stats()).tiers
    assert tiers == {"device": TierUse(0, 4), "ram": TierUse(0, 10), "disk": TierUse(0, 0)}


@given(st.integers(0, 2**32))
def test_under_a_grammar_it_says_anything_that_the_grammar_allows(seed: int) -> None:
    async def say() -> Output:
        request = replace(REQUEST, prompt=(1,), sampling=Sampling(max_tokens=256, seed=seed), grammar=GRAMMAR)
        got = await outputs(LARGE, request)
        value = json.loads(text(got))
        assert value.keys() == {"name", "tags"}
        assert isinstance(value["name"], str)
        assert len(value["tags"]) <= 3
        assert all(tag in ("a", "b") for tag in value["tags"])
        return got[-1]

    assert asyncio.run(say()).finish is FinishReason.STOP


async def test_likelihoods_are_random_come_again_and_are_as_many_as_were_wanted(mock: LoadedMock) -> None:
    async def score(*prompt: int) -> tuple[float, ...]:
        request = Request("r", prompt, Sampling(max_tokens=0), scored=2)
        return (await outputs(mock, request))[-1].scores

    assert len(await score(1, 2, 3)) == 2
    assert await score(1, 2, 3) == await score(1, 2, 3)
    totals = {sum(await score(i, 2, 3)) for i in range(20)}
    assert len(totals) == 20
    assert max(totals) <= 0


async def test_others_are_let_in_between_two_tokens(mock: LoadedMock) -> None:
    talks = [asyncio.create_task(outputs(mock, replace(REQUEST, id=str(i)))) for i in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await mock.generator.stats()).running == 3
    assert len({text(got) for got in await asyncio.gather(*talks)}) == 1
