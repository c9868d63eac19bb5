"""From a model folder to an engine that is ready to step."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from npc_engine.errors import OperatorError
from npc_engine.inference.accelerator import Accelerator, accelerator_of
from npc_engine.inference.engine import Engine
from npc_engine.inference.freed import return_freed
from npc_engine.inference.kv.copies import StreamCopies
from npc_engine.inference.kv.open import Tiers, open_cache
from npc_engine.inference.kv.ram import block_shape
from npc_engine.inference.kv.slots import Slots
from npc_engine.inference.model.fingerprint import fingerprint
from npc_engine.inference.model.graphs import GraphedRunner
from npc_engine.inference.model.llama import LlamaRunner, is_llama_shaped
from npc_engine.inference.model.operations import Rope
from npc_engine.inference.model.progress import Progress, Silent
from npc_engine.inference.model.quantised import FourBitsBesideStored, QuantisedWeights
from npc_engine.inference.model.runner import Runner
from npc_engine.inference.model.spec import ModelSpec, read_spec
from npc_engine.inference.model.weights import ResidentWeights, WeightSource
from npc_engine.inference.probe import Choice, best_device, checked, probe, races_of, reporting_compiles
from npc_engine.inference.team_size import TeamSize
from npc_engine.inference.teams import USUAL, leaving_no_team
from npc_engine.inference.tokenizer import Tokenizer

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """``dtype`` and ``device`` None: what the probe finds best. ``weights`` is auto, exact or int8.

    ``threads`` None: as many as the cores this process may use, and fewer while other programs are busy.
    Budgets are bytes of attention state. ``disk`` is the folder of its lowest tier; without one there is none.
    ``disk_codec`` is ``int4`` or ``raw``. ``timings`` is the folder of what was measured before; without one each start
    measures.
    """

    dtype: str | None = None
    device: str | None = None
    weights: str = "auto"
    threads: int | None = None
    max_batch: int = 32
    max_context: int = 4096
    device_budget: int = 1 << 30
    ram_budget: int = 1 << 30
    disk_budget: int = 4 << 30
    disk: Path | None = None
    disk_codec: str = "int4"
    timings: Path | None = None


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """An engine with what it was made of."""

    engine: Engine
    tokenizer: Tokenizer
    spec: ModelSpec
    choice: Choice


def load_engine(folder: Path, options: EngineOptions | None = None, report: Progress | None = None) -> LoadedEngine:
    """Load the model in ``folder``. Raises OperatorError when it can't be read or can't run here."""
    return leaving_no_team(lambda: _load(folder, options or EngineOptions(), report or Silent()))


def _load(folder: Path, options: EngineOptions, report: Progress) -> LoadedEngine:
    torch.set_num_threads(USUAL if options.threads is None else options.threads)
    spec = read_spec(folder)
    device = torch.device(options.device) if options.device else None
    dtype = _dtype(options.dtype)
    races = races_of(spec, options.timings)
    max_context = min(options.max_context, spec.max_positions)
    with reporting_compiles(spec, dtype, device or best_device(), report):
        choice = probe(spec, dtype=dtype, device=device, weights=options.weights, races=races)
        runner, tokenizer, choice = _load_parts(folder, spec, choice, max_context)
    accelerator = accelerator_of(choice.device)
    runner = _graphed(runner, accelerator)
    copies = None if accelerator is None else StreamCopies(accelerator)
    slots = Slots(
        **spec.kv_sizes,
        dtype=choice.dtype,
        device=choice.device,
        max_slots=options.max_batch,
        max_capacity=max_context,
        budget=options.device_budget,
        traffic=copies,
    )
    cache = open_cache(
        block_shape(**spec.kv_sizes),
        choice.dtype,
        # What the probe chose is not in the name: a busy moment at the start must not cost all that is kept.
        f"{fingerprint(folder)} {'exact' if options.weights == 'exact' else 'any'}",
        Tiers(
            ram_budget=options.ram_budget,
            disk_budget=options.disk_budget,
            disk=options.disk,
            codec=options.disk_codec,
            pin=accelerator is not None,
        ),
        copies,
    )
    return_freed()
    adapts = options.threads is None and choice.device.type == "cpu"
    team_size = TeamSize(torch.get_num_threads()) if adapts else None
    return LoadedEngine(Engine(runner, tokenizer, slots, cache, team_size), tokenizer, spec, choice)


def _load_parts(folder: Path, spec: ModelSpec, choice: Choice, max_context: int) -> tuple[Runner, Tokenizer, Choice]:
    """What takes long, at the same time. The last is what works of ``choice``."""
    with ThreadPoolExecutor(2, thread_name_prefix="load") as pool:
        checking = pool.submit(checked, spec, choice)
        reading = pool.submit(Tokenizer, folder)
        runner = load_runner(spec, choice, max_context)
        works = checking.result()
        if works != choice:
            runner = load_runner(spec, works, max_context)
        return runner, reading.result(), works


def load_weights(spec: ModelSpec, choice: Choice) -> WeightSource:
    """The weights of a Llama-shaped model, as ``choice`` has them."""
    if choice.int8:
        return QuantisedWeights(spec, choice.dtype, choice.rows, choice.four_bit)

    def stored() -> ResidentWeights:
        return ResidentWeights(spec, choice.dtype, choice.device, choice.make_linear, choice.rows)

    if choice.exact:
        return stored()
    return FourBitsBesideStored(stored, spec, choice.dtype, choice.rows, choice.four_bit)


def load_runner(spec: ModelSpec, choice: Choice, max_context: int) -> Runner:
    """The model, as ``choice`` has it, for contexts of so many tokens. Raises OperatorError when it can't be read."""
    if is_llama_shaped(spec):
        rope = Rope.of(spec, max_context, choice.device)
        operations = choice.operations(spec, rope)
        return LlamaRunner(spec, load_weights(spec, choice), operations, dtype=choice.dtype, device=choice.device)
    # transformers takes seconds to import, and the fused path does not need it.
    from npc_engine.inference.model.library import LibraryRunner

    return LibraryRunner(spec, dtype=choice.dtype, device=choice.device, attention=choice.attention)


def _graphed(runner: Runner, accelerator: Accelerator | None) -> Runner:
    # The library's models may look at numbers on the device, which a graph can't.
    if accelerator is None or not isinstance(runner, LlamaRunner):
        return runner
    return GraphedRunner(runner, accelerator.capture)


def _dtype(name: str | None) -> torch.dtype | None:
    if name is None or name == "auto":
        return None
    if name not in _DTYPES:
        raise OperatorError(f"There is no dtype {name!r}.", remedy=f"Use auto or one of {', '.join(_DTYPES)}.")
    return _DTYPES[name]
