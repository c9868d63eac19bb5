"""How fast the engine decodes in this process, beside what the machine can do."""

import time
from collections.abc import Iterator
from random import Random
from statistics import median

from npc_engine.cli.bench.measure import Figure
from npc_engine.inference.load import LoadedEngine
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.probe import roofline
from npc_engine.inference.request import Request, Sampling

_WIDTHS = (1, 8, 32)


def measure_decode(loaded: LoadedEngine, *, tokens: int, prompt: int = 400) -> Iterator[Figure]:
    """Tokens per second for several numbers of requests at once, of ``prompt`` different tokens each."""
    limit = roofline(loaded.choice.dtype, loaded.choice.device)
    yield Figure("this machine reads", limit.bytes_per_second / 1e9, "GB/s", note="a 512 MB tensor summed")
    yield Figure("this machine multiplies", limit.flops_per_second / 1e9, "GFLOP/s", note="1024 x 1024 x 1024")
    speeds: dict[int, float] = {}
    for width in _WIDTHS:
        seconds = _seconds_per_step(loaded, width, tokens, prompt)
        speeds[width] = width / seconds
        yield Figure(f"decode, {width} at once", speeds[width], "tok/s", note=_rates(loaded, width, prompt, seconds))
    yield Figure("8 at once / one", speeds[8] / speeds[1], "x", 4.0, at_least=True)


def _seconds_per_step(loaded: LoadedEngine, width: int, tokens: int, prompt: int) -> float:
    """The median step at full width. All prompts are in the cache before, so that all requests start together."""
    engine, rng = loaded.engine, Random(width)
    prompts = [tuple(rng.randrange(100, loaded.spec.vocab) for _ in range(prompt)) for _ in range(width)]
    for name, most in (("warm", 0), ("decode", tokens)):
        for i, ids in enumerate(prompts):
            sampling = Sampling(max_tokens=most, ignore_stop_ids=True)
            engine.submit(Request(f"{name}-{width}-{i}", ids, sampling))
        steps = []
        while engine.has_work:
            began = time.perf_counter()
            produced = len(engine.step())
            if produced == width:
                steps.append(time.perf_counter() - began)
    return median(steps)


def _rates(loaded: LoadedEngine, width: int, prompt: int, seconds: float) -> str:
    spec, dtype = loaded.spec, loaded.choice.dtype
    weights = _parameters(spec)
    read = weights * dtype.itemsize + width * prompt * spec.kv_bytes_per_token(dtype)
    # What is quantised is read in fewer bytes: then this is how fast the dtype would have to be read.
    how = "GB/s" if loaded.choice.exact else "GB/s if weights were not quantised"
    flops = 2 * weights * width + 4 * spec.heads * spec.head_dim * prompt * spec.layers * width
    return f"{seconds * 1e3:.1f} ms a step, {read / seconds / 1e9:.1f} {how}, {flops / seconds / 1e9:.0f} GFLOP/s"


def _parameters(spec: ModelSpec) -> int:
    """Weights that a step multiplies with: all linears of all layers, and the output head."""
    attention = spec.hidden * spec.head_dim * (2 * spec.heads + 2 * spec.kv_heads)
    feed_forward = 3 * spec.hidden * int(spec.config.get("intermediate_size") or 4 * spec.hidden)
    return spec.layers * (attention + feed_forward) + spec.vocab * spec.hidden
