"""What comes back, as OpenAI's own client reads it."""

import asyncio
import json
import math
from typing import Any

import httpx
import openai
import pytest

from bridge.openai_api.body import ChatBody, read_body
from bridge.openai_api.refusal import Refusal
from npc_engine.errors import Overloaded
from npc_engine.inference.load import LoadedEngine
from npc_engine.inference.request import FinishReason, Output, Timings, Usage
from npc_engine.inference.thread import EngineThread
from npc_engine.inference.tokenizer import Tokenizer
from tests.bridge.openai_api.conftest import CONTEXT, Serve
from tests.village import Overheard

TALK: list[Any] = [
    {"role": "system", "content": "the smith and the miller quarrel"},
    {"role": "user", "content": "Greta says: two days."},
]
GREEDY: dict[str, Any] = {"model": "whatever", "messages": TALK, "temperature": 0, "max_tokens": 12}
ON: dict[str, Any] = {"extra_body": {"ignore_eos": True}}


async def test_a_stream_says_the_same_as_an_answer_at_once(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(**GREEDY, **ON)
    stream = await client.chat.completions.create(**GREEDY, **ON, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert len(text) > 3
    first, *_, end, usage = chunks
    assert first.choices[0].delta.role == "assistant"
    assert end.choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert usage.choices == []
    assert usage.usage is not None
    assert whole.usage is not None
    assert usage.usage.completion_tokens == whole.usage.completion_tokens == 12
    assert usage.usage.prompt_tokens == whole.usage.prompt_tokens
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + 12
    assert {chunk.id for chunk in chunks} == {first.id} != {whole.id}
    assert whole.model == first.model == "tiny"


async def test_a_stream_has_no_usage_unless_asked_for(client: openai.AsyncOpenAI) -> None:
    chunks = [chunk async for chunk in await client.chat.completions.create(**GREEDY, stream=True)]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_one_event_comes_for_each_step(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(**GREEDY, **ON, stream=True)
    contents = [chunk.choices[0].delta.content async for chunk in stream]
    # Role, text by text, end; bytes of half a character wait for the rest.
    assert 3 < len(contents) <= 14


async def test_a_seed_repeats_an_answer(client: openai.AsyncOpenAI) -> None:
    async def answer(seed: int) -> str | None:
        free = {**GREEDY, "temperature": 1.5, "seed": seed}
        return (await client.chat.completions.create(**free, **ON)).choices[0].message.content

    first, again, other = [await answer(seed) for seed in (1, 1, 2)]
    assert first == again != other


async def test_a_stop_string_ends_the_text_before_it(client: openai.AsyncOpenAI) -> None:
    whole = (await client.chat.completions.create(**GREEDY, **ON)).choices[0].message.content
    assert whole is not None
    stop = whole[4:6]
    for stops in (stop, ["never there", stop]):
        cut = await client.chat.completions.create(**GREEDY, **ON, stop=stops)
        assert cut.choices[0].message.content == whole[: whole.index(stop)]
        assert cut.choices[0].finish_reason == "stop"


async def test_an_answer_ends_at_the_end_of_turn_unless_told_to_go_on(
    client: openai.AsyncOpenAI, overheard: Overheard, tiny: LoadedEngine
) -> None:
    await client.chat.completions.create(**GREEDY)
    await client.chat.completions.create(**GREEDY, **ON)
    ends, goes_on = [request.sampling for request in overheard.requests]
    assert ends.stop_ids == goes_on.stop_ids == tiny.spec.end_ids
    assert (ends.ignore_stop_ids, goes_on.ignore_stop_ids) == (False, True)


async def test_every_wish_reaches_the_engine(client: openai.AsyncOpenAI, overheard: Overheard) -> None:
    await client.chat.completions.create(
        model="x",
        messages=TALK,
        max_completion_tokens=3,
        temperature=0.7,
        top_p=0.9,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        extra_body={"top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1, "dry_multiplier": 0.8, "seed": -1},
    )
    sampling = overheard.requests[-1].sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.top_k) == (3, 0.7, 0.9, 40)
    assert (sampling.min_p, sampling.repetition_penalty) == (0.05, 1.1)
    assert (sampling.frequency_penalty, sampling.presence_penalty, sampling.seed) == (0.1, 0.2, None)


async def test_nulls_are_defaults_and_the_defaults_are_openais(plain: httpx.AsyncClient, overheard: Overheard) -> None:
    names = ("temperature", "top_p", "top_k", "min_p", "seed", "stop", "n", "stream", "stream_options", "user")
    body = {"messages": TALK, "max_tokens": 1, **dict.fromkeys(names)}
    assert (await plain.post("/v1/chat/completions", json=body)).status_code == 200
    sampling = overheard.requests[-1].sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.stop) == (1.0, 1.0, 0, ())


@pytest.mark.parametrize("asked", [None, -1, 100_000])
async def test_an_answer_may_be_as_long_as_there_is_room(
    plain: httpx.AsyncClient, overheard: Overheard, asked: int | None
) -> None:
    body = {"messages": TALK, "max_tokens": asked, "stop": ["e", "a", "o"]}
    assert (await plain.post("/v1/chat/completions", json=body)).status_code == 200
    request = overheard.requests[-1]
    assert request.sampling.max_tokens == CONTEXT - len(request.prompt)


async def test_no_tokens_at_all_only_read_the_prompt(client: openai.AsyncOpenAI) -> None:
    talk = {**GREEDY, "messages": [{"role": "user", "content": "to be read ahead of time"}]}
    read = await client.chat.completions.create(**{**talk, "max_tokens": 0})
    assert (read.choices[0].message.content, read.choices[0].finish_reason) == ("", "length")
    answer = await client.chat.completions.create(**talk)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == answer.usage.prompt_tokens - 1


async def test_parts_are_text_and_a_developer_is_the_system(client: openai.AsyncOpenAI, overheard: Overheard) -> None:
    await client.chat.completions.create(**{**GREEDY, "messages": [*TALK, {"role": "assistant", "content": ""}]})
    parts: list[Any] = [
        {"role": "developer", "content": [{"type": "text", "text": TALK[0]["content"]}]},
        {"role": "user", "content": [{"type": "text", "text": TALK[1]["content"]}]},
        {"role": "assistant", "content": None},
    ]
    await client.chat.completions.create(**{**GREEDY, "messages": parts})
    first, second = overheard.requests
    assert first.prompt == second.prompt


async def test_a_text_is_continued_as_it_is(
    client: openai.AsyncOpenAI, overheard: Overheard, tiny: LoadedEngine
) -> None:
    prompt = "<|im_start|>user\nGreta<|im_end|>\n"
    whole = await client.completions.create(model="x", prompt=prompt, temperature=0, max_tokens=6, **ON)
    ids = tiny.tokenizer.encode_markup(prompt)
    assert list(overheard.requests[-1].prompt) == ids
    stream = await client.completions.create(model="x", prompt=ids, temperature=0, max_tokens=6, stream=True, **ON)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == whole.choices[0].text != ""
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 6


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ([], None, "expected a map, got an empty list"),
        ({}, "messages", "missing"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "system, developer, user or assistant"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "expected a string"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content", "image_url"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content", "parts such as"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content", "whole characters"),
        ({"messages": [*TALK, {"role": "assistant", "tool_calls": [{}]}]}, "messages[2].tool_calls", "tools"),
        ({"messages": TALK, "stop": "\ud800"}, "stop[0]", "whole characters"),
        ({"messages": TALK, "user": "\ud800"}, "user", "whole characters"),
        ({"messages": TALK, "temperature": -1}, "temperature", "0 or more"),
        ({"messages": TALK, "temperature": 2.5}, "temperature", "2 or less, got a number (2.5)"),
        ({"messages": TALK, "top_k": -9}, "top_k", "-1 or more, got an integer (-9)"),
        ({"messages": TALK, "repetition_penalty": 1e9}, "repetition_penalty", "10 or less"),
        ({"messages": TALK, "temperature": "hot"}, "temperature", "a number"),
        ({"messages": TALK, "max_tokens": -2}, "max_tokens", "-1 or more"),
        ({"messages": TALK, "stop": ["a", 5]}, "stop[1]", "a string"),
        ({"messages": TALK, "n": 2}, "n", "leave n out"),
        ({"messages": TALK, "logit_bias": {"5": 1}}, "logit_bias", "leave logit_bias out"),
        ({"messages": TALK, "logprobs": True}, "logprobs", "leave it out"),
        ({"messages": TALK, "response_format": {"type": "json_object"}}, "response_format", "in words"),
        ({"messages": TALK, "tool_choice": "required"}, "tool_choice", "auto or none"),
        ({"messages": [{"role": "user", "content": "word " * 600}]}, "messages", f"{CONTEXT}"),
    ],
)
async def test_a_wrong_request_is_told_what_and_where(
    plain: httpx.AsyncClient, body: object, param: str | None, said: str
) -> None:
    answer = await plain.post("/v1/chat/completions", content=json.dumps(body))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert said in error["message"]
    assert error["code"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": "\ud800"}, "prompt"),
        ({"prompt": [1, 100_000]}, "prompt"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "best_of": 2}, "best_of"),
    ],
)
async def test_a_wrong_text_is_told_what_and_where(plain: httpx.AsyncClient, body: object, param: str) -> None:
    answer = await plain.post("/v1/completions", content=json.dumps(body))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("field", "within", "beyond", "said"),
    [
        ("temperature", [0, 2], [-0.1, 2.1, math.inf], "from 0 for the likeliest token to 2"),
        ("top_p", [0, 1], [-0.1, 1.1], "from 0 to 1"),
        ("min_p", [0, 1], [-0.1, 1.1], "from 0 to 1"),
        ("top_k", [-1, 0, 10**6], [-2, -9], "0 or -1 for all"),
        ("repetition_penalty", [0.1, 10], [-1, 0, 1e-9, 10.5, 1e9], "from 0.1 to 10"),
        ("frequency_penalty", [-2, 2], [-2.1, 2.1], "from -2 to 2"),
        ("presence_penalty", [-2, 2], [-2.1, 2.1], "from -2 to 2"),
        ("max_tokens", [-1, 0, 10**6], [-2], "-1 to name no limit"),
        ("max_completion_tokens", [-1, 0, 10**6], [-2], "-1 to name no limit"),
    ],
)
def test_a_number_out_of_its_range_is_told_the_range(
    field: str, within: list[float], beyond: list[float], said: str
) -> None:
    for value in within:
        assert getattr(read_body(ChatBody, {"messages": TALK, field: value}), field) == value
    for value in beyond:
        with pytest.raises(Refusal, match=said) as caught:
            read_body(ChatBody, {"messages": TALK, field: value})
        assert (caught.value.status, caught.value.param) == (400, field)


async def test_what_is_no_json_or_too_much_of_it_is_refused(plain: httpx.AsyncClient) -> None:
    broken = await plain.post("/v1/chat/completions", content=b'{"messages": [')
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "invalid_json")
    deep = await plain.post("/v1/chat/completions", content=b"[" * 100_000)
    assert (deep.status_code, deep.json()["error"]["code"]) == (400, "invalid_json")
    huge = await plain.post("/v1/chat/completions", content=b" " * (3 << 20))
    assert (huge.status_code, huge.json()["error"]["code"]) == (413, "body_too_large")


async def test_what_is_too_long_whatever_its_tokens_is_not_told_apart(
    plain: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> list[int]:
        raise AssertionError("told apart all the same")

    monkeypatch.setattr(Tokenizer, "encode_text", never)
    monkeypatch.setattr(Tokenizer, "encode_whole", never)
    words = "word " * 300_000
    for path, body in (
        ("chat/completions", {"messages": [{"role": "user", "content": words}]}),
        ("completions", {"prompt": words}),
    ):
        answer = await plain.post(f"/v1/{path}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")


async def test_openais_client_knows_the_errors(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="x", messages=[{"role": "user", "content": "word " * 600}])
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-4")
    with pytest.raises(openai.NotFoundError, match="There is nothing at /v1/embeddings"):
        await client.embeddings.create(model="x", input="y")


async def test_the_model_has_a_name(client: openai.AsyncOpenAI, plain: httpx.AsyncClient) -> None:
    assert [model.id async for model in client.models.list()] == ["tiny"]
    assert (await client.models.retrieve("tiny")).owned_by == "npc-engine"
    assert (await plain.get("/v1/chat/completions")).status_code == 405


async def test_a_client_that_leaves_ends_its_answer(client: openai.AsyncOpenAI, engine: EngineThread) -> None:
    for stream in (True, False):
        endless = client.chat.completions.create(**{**GREEDY, "max_tokens": 450}, **ON, stream=stream)
        if stream:
            async with await endless as chunks:
                async for _ in chunks:
                    break
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(endless, 0.1)
        async with asyncio.timeout(10):
            while (await engine.stats()).running:
                await asyncio.sleep(0.01)
        generated = (await engine.stats()).generated_tokens
        await asyncio.sleep(0.1)
        assert (await engine.stats()).generated_tokens == generated


class Failing:
    """An engine that gives what it is told to, word by word, and then fails."""

    max_context = CONTEXT

    def __init__(self, *words: str, refusal: Exception | None = None) -> None:
        self._words, self._refusal = words, refusal

    def new_id(self) -> str:
        return "f1"

    async def generate(self, request: Any) -> Any:
        if self._refusal:
            raise self._refusal
        for word in self._words:
            yield Output(request.id, Usage(), Timings(), text=word)
        yield Output(request.id, Usage(), Timings(), finish=FinishReason.ERROR, error="secret: out of memory")


async def test_a_full_engine_says_when_to_come_back(serve: Serve) -> None:
    full = Failing(refusal=Overloaded("Too many wait.", remedy="Ask again later.", retry_after_ms=1500))
    async with serve(full) as server, httpx.AsyncClient() as client:
        for stream in (False, True):
            answer = await client.post(f"{server.url}/chat/completions", json={**GREEDY, "stream": stream})
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
            assert answer.json()["error"]["code"] == "overloaded"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_fails_is_no_answer(serve: Serve, caplog: pytest.LogCaptureFixture, stream: bool) -> None:
    async with serve(Failing()) as server, httpx.AsyncClient() as client:
        answer = await client.post(f"{server.url}/chat/completions", json={**GREEDY, "stream": stream})
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
    assert "secret" not in answer.text
    assert "f1" in answer.json()["error"]["message"]
    assert "completion f1 failed: secret: out of memory" in caplog.text


async def test_an_engine_that_fails_in_the_middle_is_an_event(serve: Serve) -> None:
    async with serve(Failing("Good", " day")) as server, openai.AsyncOpenAI(base_url=server.url, api_key="x") as client:
        chunks = await client.chat.completions.create(**GREEDY, stream=True)
        heard = aiter(chunks)
        assert [(await anext(heard)).choices[0].delta.content for _ in range(3)] == ["", "Good", " day"]
        with pytest.raises(openai.APIError, match="failed"):
            await anext(heard)


async def test_a_closing_server_lets_answers_end(serve: Serve) -> None:
    async with serve(grace=20) as server, openai.AsyncOpenAI(base_url=server.url, api_key="x") as client:
        chunks = await client.chat.completions.create(**{**GREEDY, "max_tokens": 60}, **ON, stream=True)
        await anext(aiter(chunks))
        closing = asyncio.create_task(server.close())
        reasons = [chunk.choices[0].finish_reason async for chunk in chunks]
        assert reasons[-1] == "length"
        await closing


async def test_a_closing_server_waits_only_so_long(serve: Serve, engine: EngineThread) -> None:
    async with serve(grace=0.1) as server, openai.AsyncOpenAI(base_url=server.url, api_key="x") as client:
        endless: dict[str, Any] = {**GREEDY, "max_tokens": 450, **ON}
        chunks = await client.chat.completions.create(**endless, stream=True)
        await anext(aiter(chunks))
        closing = asyncio.create_task(server.close())
        with pytest.raises(openai.APIError, match="shutting down"):
            async for _ in chunks:
                pass
        await closing
    async with asyncio.timeout(10):
        while (await engine.stats()).running:
            await asyncio.sleep(0.01)
