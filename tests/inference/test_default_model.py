"""The real model, in float32, against the library's own generation."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from npc_engine.inference.load import EngineOptions, LoadedEngine, load_engine
from npc_engine.inference.request import Request, Sampling

TOKENS = 12
LINES = [
    "<|im_start|>system\nYou are Greta, a blacksmith.<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n"
    "<|im_start|>assistant\n",
    "<|im_start|>user\nName three rivers and say which is the longest of them.<|im_end|>\n<|im_start|>assistant\n",
    "Once upon a time",
]


@pytest.fixture(scope="module")
def loaded(default_model: Path) -> LoadedEngine:
    return load_engine(default_model, EngineOptions(dtype="float32", device="cpu", max_batch=8, max_context=512))


@pytest.fixture(scope="module")
def library(default_model: Path) -> torch.nn.Module:
    model: torch.nn.Module = AutoModelForCausalLM.from_pretrained(default_model, dtype=torch.float32)
    return model


def expected(library: torch.nn.Module, prompt: tuple[int, ...]) -> list[int]:
    out = library.generate(  # type: ignore[operator]
        torch.tensor([prompt]), max_new_tokens=TOKENS, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    ids: list[int] = out[0, len(prompt) :].tolist()
    return ids


def generate(loaded: LoadedEngine, prompts: list[tuple[int, ...]]) -> list[list[int]]:
    for i, prompt in enumerate(prompts):
        loaded.engine.submit(Request(str(i), prompt, Sampling(max_tokens=TOKENS, ignore_stop_ids=True)))
    ids: dict[str, list[int]] = {str(i): [] for i in range(len(prompts))}
    while loaded.engine.has_work:
        for output in loaded.engine.step():
            ids[output.request_id].extend(output.token_ids)
    return list(ids.values())


def test_greedy_equals_the_library_in_a_batch_of_different_lengths_and_across_turns(
    loaded: LoadedEngine, library: torch.nn.Module
) -> None:
    prompts = [tuple(loaded.tokenizer.encode_markup(line)) for line in LINES]
    for _turn in range(2):
        replies = generate(loaded, prompts)
        assert replies == [expected(library, prompt) for prompt in prompts]
        alone = generate(loaded, prompts[:1])
        assert alone == replies[:1]
        prompts = [(*p, *r, *loaded.tokenizer.encode_text(" Go on.")) for p, r in zip(prompts, replies, strict=True)]


def test_a_seed_gives_the_same_text_alone_and_in_a_batch(loaded: LoadedEngine) -> None:
    prompt = tuple(loaded.tokenizer.encode_markup(LINES[0]))

    def request(i: int) -> Request:
        return Request(f"s{i}", prompt, Sampling(temperature=0.8, top_p=0.95, seed=i, max_tokens=TOKENS))

    def run(*requests: Request) -> dict[str, str]:
        for each in requests:
            loaded.engine.submit(each)
        texts: dict[str, str] = {each.id: "" for each in requests}
        while loaded.engine.has_work:
            for output in loaded.engine.step():
                texts[output.request_id] += output.text
        return texts

    together = run(*(request(i) for i in range(5)))
    assert {f"s{i}": run(request(i))[f"s{i}"] for i in range(5)} == together
    assert len(set(together.values())) > 1
