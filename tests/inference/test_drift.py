"""What four bits on disk cost the real model, against the state as it was computed.

Run as a script it prints the figures: ``python -m tests.inference.test_drift``.
"""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from npc_engine.config import default_cache
from npc_engine.inference.kv.block import BLOCK_TOKENS
from npc_engine.inference.kv.codec import CODECS, Codec
from npc_engine.inference.load import EngineOptions, LoadedEngine, load_engine
from npc_engine.inference.model.batch import Span, make_batch
from npc_engine.inference.model.catalog import resolve

_CONTEXT, _AHEAD = 384, 24
_TEXT = Path(__file__).parents[2] / "README.md"


class Drift(NamedTuple):
    """Over the tokens that follow a context: mean KL divergence in nats, and how often the likeliest stays so."""

    divergence: float
    agreement: float


def measure(loaded: LoadedEngine, codec: Codec, contexts: int) -> Drift:
    """Read ``contexts`` pieces of text, and what follows each with its state as it is and from ``codec``."""
    ids = loaded.tokenizer.encode_text(_TEXT.read_text())
    apart = max(1, (len(ids) - _CONTEXT - _AHEAD) // contexts)
    divergences, same = [], []
    for number in range(contexts):
        piece = list(ids[number * apart : number * apart + _CONTEXT + _AHEAD])
        true, coded = _followed(loaded, piece, None), _followed(loaded, piece, codec)
        divergences.append((true.exp() * (true - coded)).sum(dim=-1).mean())
        same.append((true.argmax(dim=-1) == coded.argmax(dim=-1)).float().mean())
    return Drift(float(torch.stack(divergences).mean()), float(torch.stack(same).mean()))


@torch.inference_mode()
def _followed(loaded: LoadedEngine, ids: list[int], codec: Codec | None) -> torch.Tensor:
    """Log-probabilities [tokens ahead, vocabulary] behind a context whose state went through ``codec``."""
    slots, runner = loaded.engine._slots, loaded.engine._runner

    def run(start: int, end: int) -> torch.Tensor:
        span = Span(0, start, end - start, True)
        batch = make_batch([span], ids[start:end], fold=runner.spec.group, dtype=runner.dtype, device=runner.device)
        return runner.forward(batch, slots)[0].float().log_softmax(dim=-1)

    slots.take()
    try:
        slots.reserve(len(ids), [0])
        for start in range(0, _CONTEXT, 128):
            run(start, start + 128)
        for start in range(0, _CONTEXT if codec else 0, BLOCK_TOKENS):
            parts = [store[:, 0, :, start : start + BLOCK_TOKENS] for store in (slots.keys, slots.values)]
            state = torch.stack(parts)
            assert codec is not None
            codec.decode(codec.encode(state), state)
            for part, decoded in zip(parts, state, strict=True):
                part.copy_(decoded)
        return torch.stack([run(at, at + 1) for at in range(_CONTEXT, len(ids))])
    finally:
        slots.clear()


@pytest.fixture(scope="module")
def loaded(default_model: Path) -> LoadedEngine:
    return load_engine(default_model, EngineOptions(device="cpu", max_context=512))


def test_four_bits_hardly_change_what_the_real_model_would_say(loaded: LoadedEngine) -> None:
    drift = measure(loaded, CODECS["int4"](), 2)
    assert drift.divergence < 0.1
    assert drift.agreement > 0.8


if __name__ == "__main__":
    engine = load_engine(resolve("default", cache=default_cache()), EngineOptions(max_context=512))
    for name, make in CODECS.items():
        drift = measure(engine, make(), 6)
        print(f"{name}: KL {drift.divergence:.4f} nats, likeliest token the same {drift.agreement:.1%}")  # noqa: T201
