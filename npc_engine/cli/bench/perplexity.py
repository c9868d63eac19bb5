"""What each way of keeping the weights costs in quality."""

from collections.abc import Iterator
from pathlib import Path

import torch

from npc_engine.cli.bench.measure import Figure
from npc_engine.config import example_worlds
from npc_engine.inference.load import load_runner
from npc_engine.inference.model.spec import read_spec
from npc_engine.inference.perplexity import WINDOW, perplexity
from npc_engine.inference.probe import INT8, best_device, int8_available, probe
from npc_engine.inference.tokenizer import Tokenizer

AIM = 1.02
# A text takes so many more steps of few rows, and each reads all weights: a part of it has to do.
_FEW_ROWS, _FEW_TOKENS = 4, 1024
_WAYS = (
    ("float32", torch.float32, "exact"),
    ("bfloat16", torch.bfloat16, "exact"),
    (INT8, torch.bfloat16, INT8),
)


def measure_perplexity(folder: Path, *, tokens: int | None = None) -> Iterator[Figure]:
    """Perplexities over the files of the worlds that come with the engine, ``tokens`` of them or all, and ratios.

    The text is read WINDOW rows a step, as prompts are, and a shorter part _FEW_ROWS a step, as one conversation is:
    where the kernels for few rows are others, both are measured.
    """
    spec, ids = read_spec(folder), example_text(Tokenizer(folder))[:tokens]
    parts = {WINDOW: ids, _FEW_ROWS: ids[:_FEW_TOKENS]}
    found: dict[str, dict[int, float]] = {}
    for name, dtype, weights in _WAYS:
        if weights == INT8 and not int8_available(spec, best_device()):
            continue
        runner = load_runner(spec, probe(spec, dtype=dtype, weights=weights), WINDOW)
        found[name] = {rows: perplexity(runner, part, rows=rows) for rows, part in parts.items()}
        for rows, value in found[name].items():
            note = f"of {len(parts[rows]):,} tokens, {rows} a step"
            yield Figure(f"perplexity, {name}", value, "", note=note)
    for rows in parts if INT8 in found else ():
        ratio = found[INT8][rows] / found["bfloat16"][rows]
        yield Figure(f"int8 / bfloat16, {rows} a step", ratio, "x", AIM, note=f"{ratio:.4f}")


def example_text(tokenizer: Tokenizer) -> list[int]:
    """The token ids of the example worlds' files, one after another."""
    files = sorted(example_worlds().rglob("*.yaml"))
    return tokenizer.encode_text("\n".join(file.read_text(encoding="utf-8") for file in files))
