"""Where the time of a step goes: its parts, alone in a process of its own."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from npc_engine.cli.bench.measure import shown
from npc_engine.errors import OperatorError
from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.load import load_weights
from npc_engine.inference.model.batch import Batch, Span, make_batch
from npc_engine.inference.model.llama import LlamaRunner, is_llama_shaped
from npc_engine.inference.model.operations import Rope
from npc_engine.inference.model.spec import ModelSpec, read_spec
from npc_engine.inference.model.stopwatch import Stopwatch, TimedOperations, TimedWeights
from npc_engine.inference.probe import Choice, probe

_WARM = 3
_MILLISECONDS = 1e3


@dataclass(frozen=True, slots=True)
class StepsLoad:
    """Contexts of ``context`` tokens, ``shared`` of them common.

    A step that reads takes ``prompt`` tokens of three while five others decode.
    """

    decoding: tuple[int, ...] = (1, 8, 32)
    context: int = 600
    shared: int = 300
    prompt: int = 43
    repeats: int = 15


QUICK = StepsLoad(decoding=(1, 2), context=80, shared=64, prompt=8, repeats=1)


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Milliseconds of one kind of step, and of its parts."""

    name: str
    total: float
    parts: dict[str, float]

    def explain(self) -> str:
        """One line."""
        parts = ", ".join(f"{part} {shown(ms)}" for part, ms in self.parts.items())
        return f"{self.name}: {shown(self.total)} ms: {parts}"


def measure_steps(folder: Path, load: StepsLoad) -> Iterator[StepTimes]:
    """Forward passes over made-up contexts. Raises OperatorError for a model that takes the library's code."""
    spec = read_spec(folder)
    if not is_llama_shaped(spec):
        raise OperatorError(
            "The parts of a step are timed for models of the Llama family.", remedy="Name one with --model."
        )
    choice, watch = probe(spec), Stopwatch()
    operations = choice.operations(spec, Rope.of(spec, load.context + load.prompt, choice.device))
    runner = LlamaRunner(
        spec,
        TimedWeights(load_weights(spec, choice), watch),
        TimedOperations(operations, watch),
        dtype=choice.dtype,
        device=choice.device,
    )
    slots = _slots(spec, choice, max(*load.decoding, 8), load.context + load.prompt)
    for count in load.decoding:
        spans = [_span(slot, 1, load) for slot in range(count)]
        yield _time(f"{count} decode", runner, _batch(spans, runner), slots, watch, load.repeats)
    spans = [_span(slot, 1 if slot < 5 else load.prompt, load) for slot in range(8)]
    yield _time(f"3 read {load.prompt}, 5 decode", runner, _batch(spans, runner), slots, watch, load.repeats)


def _time(name: str, runner: LlamaRunner, batch: Batch, slots: Slots, watch: Stopwatch, repeats: int) -> StepTimes:
    totals: list[float] = []
    for turn in range(_WARM + repeats):
        if turn == _WARM:
            watch.reset()
        started = time.perf_counter()
        runner.forward(batch, slots)
        totals.append(time.perf_counter() - started)
    parts = {part: seconds / repeats * _MILLISECONDS for part, seconds in watch.seconds.items()}
    return StepTimes(name, median(totals[_WARM:]) * _MILLISECONDS, parts)


def _span(slot: int, rows: int, load: StepsLoad) -> Span:
    return Span(slot, load.context, rows, True, load.shared if slot else 0)


def _batch(spans: list[Span], runner: LlamaRunner) -> Batch:
    rows = sum(span.length for span in spans)
    return make_batch(spans, [100] * rows, fold=runner.spec.group, dtype=runner.dtype, device=runner.device)


def _slots(spec: ModelSpec, choice: Choice, count: int, capacity: int) -> Slots:
    slots = Slots(
        **spec.kv_sizes,
        dtype=choice.dtype,
        device=choice.device,
        max_slots=count,
        max_capacity=capacity,
        budget=2 * count * capacity * spec.kv_bytes_per_token(choice.dtype),
    )
    for _ in range(count):
        slots.take()
    slots.reserve(capacity, [0] * count)
    for state in (slots.keys, slots.values):
        state.copy_(torch.randn(state.shape[3:]))
    return slots
