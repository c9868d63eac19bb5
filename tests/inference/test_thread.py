"""Claims about the engine's thread and its event loop."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from npc_engine.cli.bench.soak import _INCONSISTENT
from npc_engine.errors import LimitExceeded, NpcEngineError
from npc_engine.inference import thread as thread_module
from npc_engine.inference.load import EngineOptions, load_engine
from npc_engine.inference.request import Budgets, FinishReason, Request, Sampling
from npc_engine.inference.thread import EngineThread
from tests.tiny import make_tiny

PROMPT = tuple(range(10, 60))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def engine(tiny: Path) -> Iterator[EngineThread]:
    with EngineThread(load_engine(tiny, EngineOptions(dtype="float32", max_context=512)).engine) as thread:
        yield thread


def request(engine: EngineThread, tokens: int = 8) -> Request:
    return Request(engine.new_id(), PROMPT, Sampling(max_tokens=tokens))


async def collect(engine: EngineThread, wanted: Request) -> tuple[list[int], FinishReason | None]:
    ids: list[int] = []
    finish = None
    async for output in engine.generate(wanted):
        ids.extend(output.token_ids)
        finish = output.finish
    return ids, finish


async def test_many_requests_at_once_each_get_their_own_outputs(engine: EngineThread) -> None:
    answers = await asyncio.gather(*(collect(engine, request(engine, 3 + i)) for i in range(6)))
    assert [len(ids) for ids, _ in answers] == [3, 4, 5, 6, 7, 8]
    assert all(ids == answers[-1][0][: len(ids)] for ids, _ in answers)


@pytest.mark.parametrize("followers", [0, 3, 1 << 30])
def test_who_asks_soon_after_another_is_waited_for_but_not_for_long(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, followers: int
) -> None:
    thread = EngineThread(load_engine(tiny, EngineOptions(dtype="float32", max_context=512)).engine)
    gaps = 0

    def wait(seconds: float) -> None:
        nonlocal gaps
        gaps += 1
        assert seconds <= 0.001
        if gaps <= followers:
            thread._post(lambda: None)

    monkeypatch.setattr(thread._wake, "wait", wait)
    if followers < 1 << 30:
        monkeypatch.setattr("npc_engine.inference.thread._GATHER_SECONDS", 10.0)
    thread._post(lambda: None)
    started = time.monotonic()
    thread._gather()
    if followers < 1 << 30:
        assert len(thread._commands) == 1 + followers
    else:
        assert time.monotonic() - started >= 0.005


async def test_closing_the_iterator_cancels_and_the_engine_comes_to_rest(engine: EngineThread) -> None:
    async with aclosing(engine.generate(request(engine, 400))) as outputs:
        await anext(outputs)
    async with asyncio.timeout(20):
        while await engine.ask(lambda e: e.has_work):
            await asyncio.sleep(0.01)
    await engine.ask(lambda e: e.check_integrity())


@pytest.mark.parametrize("prompt", [(), tuple(range(300)) * 2])
async def test_a_prompt_that_does_not_fit_is_refused_before_it_is_queued(
    engine: EngineThread, prompt: tuple[int, ...]
) -> None:
    with pytest.raises(LimitExceeded):
        await anext(engine.generate(Request("x", prompt, Sampling(max_tokens=8))))


async def test_a_second_request_of_the_same_id_fails_and_harms_nobody(engine: EngineThread) -> None:
    twice = Request("twice", PROMPT, Sampling(max_tokens=200))
    async with aclosing(engine.generate(twice)) as first:
        await anext(first)
        with pytest.raises(ValueError, match="twice"):
            await anext(engine.generate(twice))
        assert (await anext(first)).finish is None


async def test_when_the_thread_dies_everyone_is_told_and_newcomers_are_refused(
    engine: EngineThread, caplog: pytest.LogCaptureFixture
) -> None:
    def die() -> None:
        raise SystemExit("fault")

    outputs = engine.generate(request(engine, 400))
    await anext(outputs)
    engine._engine.step = die  # type: ignore[method-assign, assignment]
    async with asyncio.timeout(20):
        last = [output async for output in outputs][-1]
    assert last.finish is FinishReason.ERROR
    assert "restart the server" in caplog.text
    with pytest.raises(NpcEngineError, match="shutting down"):
        await anext(engine.generate(request(engine)))


async def test_state_found_inconsistent_in_a_pause_is_dropped_and_said_as_the_soak_looks_for_it(
    engine: EngineThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = await collect(engine, request(engine, 3))
    await engine.ask(lambda e: e._cache._tree.root.children.clear())
    monkeypatch.setattr(thread_module, "_CHECK_SECONDS", thread_module._WRITE_SECONDS)
    async with asyncio.timeout(20):
        while _INCONSISTENT not in caplog.text:
            await asyncio.sleep(0.01)
    await engine.ask(lambda e: e.check_integrity())
    assert await collect(engine, request(engine, 3)) == before


async def test_stopping_ends_what_is_open(tiny: Path) -> None:
    thread = EngineThread(load_engine(tiny, EngineOptions(dtype="float32", max_context=512)).engine)
    thread.start()
    outputs = thread.generate(request(thread, 400))
    await anext(outputs)
    await asyncio.to_thread(thread.stop)
    assert [output async for output in outputs][-1].finish is FinishReason.ERROR
    with pytest.raises(NpcEngineError):
        await thread.ask(lambda e: e.has_work)


async def test_a_token_that_the_model_does_not_have_is_refused(engine: EngineThread) -> None:
    vocab = engine._engine.vocab
    with pytest.raises(LimitExceeded, match=str(vocab)):
        async for _ in engine.generate(Request("x", (1, vocab), Sampling(max_tokens=1))):
            pass


async def test_no_more_is_generated_in_a_second_than_may_be(engine: EngineThread) -> None:
    await engine.set_budgets(Budgets(tokens_per_second=40))
    began = time.monotonic()
    await asyncio.gather(*(collect(engine, request(engine, 10)) for _ in range(4)))
    # All but the last step's four are waited for.
    assert time.monotonic() - began >= (40 - 4) / 40
    await engine.set_budgets(Budgets(tokens_per_second=0.01))
    slow = asyncio.create_task(collect(engine, request(engine, 10)))
    await asyncio.sleep(0.3)
    await engine.set_budgets(Budgets(tokens_per_second=0))
    async with asyncio.timeout(20):
        assert len((await slow)[0]) == 10


async def test_while_nothing_may_be_generated_who_gives_up_is_let_go(engine: EngineThread) -> None:
    await engine.set_budgets(Budgets(tokens_per_second=0.01))
    async with aclosing(engine.generate(request(engine))) as outputs:
        await anext(outputs)
    late = replace(request(engine), deadline=time.monotonic() + 0.2)
    async with asyncio.timeout(20):
        assert await collect(engine, late) == ([], FinishReason.DEADLINE)
        assert not await engine.ask(lambda e: e.has_work)
