"""What this machine computes fastest, found by measuring for a second or two.

CPUs differ too much for a table: bfloat16 is emulated on some and twice as fast on others, and so do the library's
kernels, from one version to the next. So every variant runs at the model's own sizes, and the fastest is taken.
"""

import math
import platform
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import torch

from npc_engine.errors import OperatorError
from npc_engine.inference.model.eight_bit import EightBitLinear
from npc_engine.inference.model.four_bit import FourBit, PlainFourBit
from npc_engine.inference.model.kernels import ATTENTION_KERNELS, Attention
from npc_engine.inference.model.linears import LINEAR_KERNELS, Linear, MakeLinear, PackedLinear
from npc_engine.inference.model.llama import is_llama_shaped
from npc_engine.inference.model.operations import Operations, PlainOperations, Rope
from npc_engine.inference.model.progress import Progress
from npc_engine.inference.model.rows import PlainRows, Rows
from npc_engine.inference.model.sources import code_fingerprint
from npc_engine.inference.model.spec import ModelSpec
from npc_engine.inference.processor import processor_name
from npc_engine.inference.races import Races, Run, race

INT8 = "int8"
_ROWS, _KEYS, _SLOTS, _MATRICES = 8, 512, 8, 8
_PROMPT, _PROMPT_SLOTS, _MANY_ROWS = 48, 2, 64
_JIT = "compiled"
_WORTH_IT = 3.0
"""How much slower compiled attention may be: with it come four-bit products and quicker small operations. On a busy
machine a race may be off by twice, and on an idle one it is about as fast as the library's or faster."""

_MICROSECONDS = 1e6
_PACKAGES = ("torch", "numba")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and the timings (microseconds per call, by variant) that say why.

    ``decode`` and ``prompt`` name attention kernels, for one query a slot and for many. With ``jit``, compiled kernels
    take the place of ``decode`` and of the small operations, and of ``prompt`` where they are faster. With ``exact``
    weights are computed with as they are stored, because that was asked for or there is nothing else.
    """

    device: torch.device
    dtype: torch.dtype
    linear: str
    decode: str
    prompt: str
    jit: bool
    exact: bool
    linear_us: dict[str, float]
    decode_us: dict[str, float]
    prompt_us: dict[str, float]

    @property
    def int8(self) -> bool:
        """Whether weights and activations are quantised."""
        return self.linear == INT8

    @property
    def rows(self) -> Rows:
        """What is done to rows around a matrix product."""
        if self.jit:
            from npc_engine.inference.model.jit.operations import JitRows

            return JitRows()
        return PlainRows()

    @property
    def four_bit(self) -> FourBit:
        """How weights of four bits are computed with."""
        if self.jit:
            from npc_engine.inference.model.jit.four_bit import JitFourBit, four_bit_available, unit_available

            if four_bit_available():
                return JitFourBit(unit=unit_available())
        return PlainFourBit(self.rows)

    @property
    def make_linear(self) -> MakeLinear:
        assert not self.int8
        return LINEAR_KERNELS[self.linear]

    @property
    def fastest_prompt(self) -> str:
        """The kernel for prompts: a compiled one where it is faster than ``prompt``."""
        return min(self.prompt_us, key=lambda who: self.prompt_us[who]) if self.jit else self.prompt

    @property
    def attention(self) -> Attention:
        """The library's kernels."""
        return Attention(ATTENTION_KERNELS[self.decode], ATTENTION_KERNELS[self.prompt])

    def operations(self, spec: ModelSpec, rope: Rope) -> Operations:
        """The operations for a model of the Llama family."""
        if self.jit:
            from npc_engine.inference.model.jit.operations import JitOperations
            from npc_engine.inference.model.jit.prompts import prompt_kernel, unit_steps

            return JitOperations(spec, rope, prompt_kernel(spec, self.fastest_prompt), unit_steps(spec))
        return PlainOperations(spec, self.attention, rope, self.dtype)

    def explain(self) -> str:
        """One line for a log."""
        dtype = str(self.dtype).removeprefix("torch.")
        decode = _JIT if self.jit else self.decode
        attention = f"{decode} attention, {self.fastest_prompt} for prompts"
        return f"{self.device} · {dtype} · {self._weights} · {attention}"

    @property
    def _weights(self) -> str:
        if self.exact:
            return f"weights as stored, {self.linear} linear"
        others = "eight" if self.int8 else f"as stored, {self.linear} linear"
        return f"weights in four bits where they are, others {others}"


def best_device() -> torch.device:
    """CUDA if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def int8_available(spec: ModelSpec, device: torch.device) -> bool:
    """Whether ``spec`` can run with int8 weights on ``device``."""
    return device.type == "cpu" and is_llama_shaped(spec) and EightBitLinear.available()


@torch.inference_mode()
def probe(
    spec: ModelSpec,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
    weights: str = "auto",
    races: Races | None = None,
) -> Choice:
    """Choose dtype (unless given), linear and attention kernels for ``spec`` on ``device``, by ``races``.

    ``weights`` is ``exact`` (as stored), ``int8`` (quantised) or ``auto``: whichever is faster, but exact where float32
    was asked for. Linears are timed at ``_ROWS`` rows, attention at decode with ``_SLOTS`` slots of ``_KEYS`` keys.
    Raises OperatorError when int8 is asked for and can't be had.
    """
    device = device or best_device()
    races = races or Races({})
    can_int8 = int8_available(spec, device)
    if weights == "int8" and not can_int8:
        raise OperatorError(
            "This model can't be run with int8 weights here: that takes a CPU with eight-bit products and a model of"
            " the Llama family.",
            remedy="Use --weights auto.",
        )
    if device.type != "cpu":
        return _accelerated(device, dtype)
    dtypes = {_name(d): d for d in ([dtype] if dtype else [torch.bfloat16, torch.float32])}
    linear_us = races.of(" or ".join(dtypes), lambda: _linears(spec, dtypes))
    named = {who: us / _MATRICES for who, us in linear_us.items()}
    dtype_name, _, linear = min(linear_us, key=lambda who: linear_us[who]).partition(" ")
    chosen = dtypes[dtype_name]
    may_quantise = can_int8 and (weights == "int8" or (weights == "auto" and dtype is not torch.float32))
    if may_quantise:
        exact = linear
        many_us = races.of(f"{INT8} or {dtype_name} {exact}", lambda: _many_rows(spec, chosen, exact))
        named |= {f"{who}, {_MANY_ROWS} rows": us / _MATRICES for who, us in many_us.items()}
        linear = INT8 if weights == "int8" else min(many_us, key=lambda who: many_us[who])
    decode_us = races.of(f"decode {dtype_name}", lambda: _decodes(spec, chosen))
    prompt_us = races.of(f"prompt {dtype_name}", lambda: _prompts(spec, chosen))
    races.keep()
    return Choice(
        device,
        chosen,
        linear,
        min(ATTENTION_KERNELS, key=lambda who: decode_us[who]),
        min(ATTENTION_KERNELS, key=lambda who: prompt_us[who]),
        decode_us.get(_JIT, math.inf) < _WORTH_IT * min(decode_us.values()),
        not may_quantise,
        named,
        decode_us,
        prompt_us,
    )


def _accelerated(device: torch.device, dtype: torch.dtype | None) -> Choice:
    """The library's kernels over weights as they are stored: what a graph can hold, and no race of the CPU says."""
    half = torch.bfloat16
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise OperatorError(
                "There is no CUDA device that torch can use.", remedy="Leave the device out, or name cpu."
            )
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return Choice(device, dtype or half, "plain", "sdpa", "sdpa", False, True, {}, {}, {})


def races_of(spec: ModelSpec, folder: Path | None = None, *, anew: bool = False) -> Races:
    """The races of models of this size on this machine, with their results kept in ``folder``. See Races."""
    about = {
        "processor": f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}, {platform.machine()}",
        "threads": str(torch.get_num_threads()),
        "versions": ", ".join(f"{package} {_version(package)}" for package in _PACKAGES),
        "code": code_fingerprint(Path(__file__).parent / "model"),
        "model": f"{spec.model_type} {spec.hidden} {spec.heads} {spec.kv_heads} {spec.head_dim}",
    }
    return Races(about, folder, anew=anew)


def reporting_compiles(
    spec: ModelSpec, dtype: torch.dtype | None, device: torch.device, report: Progress
) -> AbstractContextManager[object]:
    """While it lasts, ``report`` is told of kernels that are compiled for ``spec``, which takes a while."""
    if device.type != "cpu" or dtype not in (None, torch.bfloat16) or not is_llama_shaped(spec):
        return nullcontext()
    try:
        from npc_engine.inference.model.jit.compiling import reporting
    except ImportError:
        return nullcontext()
    return reporting(spec, report)


@torch.inference_mode()
def checked(spec: ModelSpec, choice: Choice) -> Choice:
    """``choice``, without the compiled kernels if they don't work today. Loads them, or compiles them if need be."""
    if choice.jit and _jit_trial(spec, choice.dtype, choice.fastest_prompt) is None:
        return replace(choice, jit=False)
    return choice


@dataclass(frozen=True, slots=True)
class Roofline:
    """What the machine reaches at best: bytes and floating-point operations per second."""

    bytes_per_second: float
    flops_per_second: float


@torch.inference_mode()
def roofline(dtype: torch.dtype, device: torch.device) -> Roofline:
    """Measure reading speed (a 512 MB tensor summed) and product speed (1024 x 1024 x 1024)."""
    data = torch.ones(128 << 20, dtype=torch.float32, device=device)
    a = torch.randn(1024, 1024, device=device).to(dtype)
    best = race({"reading": data.sum, "product": lambda: a @ a})
    reading, product = best["reading"], best["product"]
    return Roofline(data.nbytes / reading * _MICROSECONDS, 2 * 1024**3 / product * _MICROSECONDS)


def _linears(spec: ModelSpec, dtypes: Mapping[str, torch.dtype]) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    for dtype_name, dtype in dtypes.items():
        # Several matrices in turn, so that what is timed is reading them from memory, as a forward pass does.
        matrices = [torch.randn(4 * spec.hidden, spec.hidden).to(dtype) for _ in range(_MATRICES)]
        x = torch.randn(_ROWS, spec.hidden).to(dtype)
        for name, make in LINEAR_KERNELS.items():
            if make is PackedLinear and not PackedLinear.available(dtype):
                continue
            runs[f"{dtype_name} {name}"] = partial(_apply_all, [make(matrix, None) for matrix in matrices], x)
    return runs


def _many_rows(spec: ModelSpec, dtype: torch.dtype, exact: str) -> dict[str, Run]:
    """Eight-bit linears, and the best exact ones.

    At many rows, where computing decides: for few, where reading does, fewer bits are faster anyway.
    """
    matrices = [torch.randn(4 * spec.hidden, spec.hidden) for _ in range(_MATRICES)]
    x = torch.randn(_MANY_ROWS, spec.hidden)
    make = LINEAR_KERNELS[exact]
    return {
        INT8: partial(_apply_all, [EightBitLinear(matrix) for matrix in matrices], x),
        exact: partial(_apply_all, [make(matrix.to(dtype), None) for matrix in matrices], x.to(dtype)),
    }


def _attentions(spec: ModelSpec, dtype: torch.dtype, *, slots: int, width: int) -> dict[str, Run]:
    store = torch.randn(2, slots, spec.kv_heads, 2 * _KEYS, spec.head_dim).to(dtype)[:, :, :, :_KEYS]
    query = torch.randn(slots, spec.kv_heads, width * spec.group, spec.head_dim).to(dtype)
    return {
        name: partial(kernel, query, store[0], store[1], None, 1.0, 0) for name, kernel in ATTENTION_KERNELS.items()
    }


def _decodes(spec: ModelSpec, dtype: torch.dtype) -> dict[str, Run]:
    compiled, others = _jit_trial(spec, dtype), _attentions(spec, dtype, slots=_SLOTS, width=1)
    return others if compiled is None else {_JIT: compiled, **others}


def _prompts(spec: ModelSpec, dtype: torch.dtype) -> dict[str, Run]:
    trials = _trials(spec, dtype)
    sizes = {"slots": _PROMPT_SLOTS, "width": _PROMPT}
    trials_of = {} if trials is None else trials.make_prompt_trials(spec, keys=_KEYS, **sizes)
    return trials_of or _attentions(spec, dtype, **sizes)


def _jit_trial(spec: ModelSpec, dtype: torch.dtype, prompt: str = _JIT) -> Run | None:
    """The compiled decode attention at the sizes of ``_decodes``; None where there is none.

    All compiled kernels are tried with it, of those for prompts ``prompt``.
    """
    trials = _trials(spec, dtype)
    return None if trials is None else trials.make_trial(spec, slots=_SLOTS, keys=_KEYS, prompt=prompt)


def _trials(spec: ModelSpec, dtype: torch.dtype) -> ModuleType | None:
    """What tries out compiled kernels; None where there are none for such a model."""
    if dtype is not torch.bfloat16 or not is_llama_shaped(spec):
        return None
    try:
        from npc_engine.inference.model.jit import trial
    except ImportError:
        return None
    return trial


def _apply_all(linears: Sequence[Linear], x: torch.Tensor) -> None:
    for linear in linears:
        linear(x)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
