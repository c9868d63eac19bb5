"""What this machine computes fastest, found by measuring for a fraction of a second.

CPUs differ too much for a table: bfloat16 is emulated on some and twice as fast on others, the library's flash
attention wins where there is AMX and loses where there is not. So every variant runs at the model's own sizes, and the
fastest is taken.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch

from npc_engine.errors import OperatorError
from npc_engine.inference.model.eight_bit import EightBitLinear
from npc_engine.inference.model.four_bit import FourBit, PlainFourBit
from npc_engine.inference.model.kernels import ATTENTION_KERNELS, Attention
from npc_engine.inference.model.linears import LINEAR_KERNELS, Linear, MakeLinear, PackedLinear
from npc_engine.inference.model.llama import is_llama_shaped
from npc_engine.inference.model.operations import Operations, PlainOperations, Rope
from npc_engine.inference.model.rows import PlainRows, Rows
from npc_engine.inference.model.spec import ModelSpec

INT8 = "int8"
_ROWS, _KEYS, _SLOTS, _MATRICES, _TURNS = 8, 512, 8, 8, 12
_PROMPT, _PROMPT_SLOTS, _MANY_ROWS = 48, 2, 64
_JIT = "compiled"
_MICROSECONDS = 1e6
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and the timings (microseconds per call, by variant) that say why.

    ``decode`` and ``prompt`` name attention kernels, for one query a slot and for many. With ``jit``, compiled kernels
    take the place of ``decode`` and of the small operations.
    """

    device: torch.device
    dtype: torch.dtype
    linear: str
    decode: str
    prompt: str
    jit: bool
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
            from npc_engine.inference.model.jit.four_bit import JitFourBit

            if JitFourBit.available():
                return JitFourBit()
        return PlainFourBit(self.rows)

    @property
    def make_linear(self) -> MakeLinear:
        assert not self.int8
        return LINEAR_KERNELS[self.linear]

    @property
    def attention(self) -> Attention:
        return Attention(ATTENTION_KERNELS[self.decode], ATTENTION_KERNELS[self.prompt])

    def operations(self, spec: ModelSpec, rope: Rope) -> Operations:
        """The operations for a model of the Llama family."""
        if self.jit:
            from npc_engine.inference.model.jit.operations import JitOperations

            return JitOperations(spec, rope)
        return PlainOperations(spec, self.attention, rope, self.dtype)

    def explain(self) -> str:
        """One line for a log."""
        dtype = str(self.dtype).removeprefix("torch.")
        decode = _JIT if self.jit else self.decode
        return f"{self.device} · {dtype} · {self.linear} linear · {decode} attention, {self.prompt} for prompts"


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
) -> Choice:
    """Choose dtype (unless given), linear and attention kernels for ``spec`` on ``device``.

    ``weights`` is ``exact`` (as stored), ``int8`` (quantised) or ``auto``: whichever is faster, but exact where float32
    was asked for. Linears are timed at ``_ROWS`` rows, attention at decode with ``_SLOTS`` slots of ``_KEYS`` keys.
    Raises OperatorError when int8 is asked for and can't be had.
    """
    device = device or best_device()
    can_int8 = int8_available(spec, device)
    if weights == "int8" and not can_int8:
        raise OperatorError(
            "This model can't be run with int8 weights here: that takes a CPU with eight-bit products and a model of"
            " the Llama family.",
            remedy="Use --weights auto.",
        )
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise OperatorError(
                "There is no CUDA device that torch can use.", remedy="Leave the device out, or name cpu."
            )
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return Choice(device, dtype or half, "plain", "sdpa", "sdpa", False, {}, {}, {})
    dtypes = [dtype] if dtype else [torch.bfloat16, torch.float32]
    linear_us = _time_linears(spec, dtypes)
    chosen_dtype, linear = min(linear_us, key=lambda key: linear_us[key])
    named = {f"{str(d).removeprefix('torch.')} {name}": us for (d, name), us in linear_us.items()}
    if can_int8 and (weights == "int8" or (weights == "auto" and dtype is not torch.float32)):
        int8_us, exact_us = _race_int8(spec, chosen_dtype, LINEAR_KERNELS[linear])
        named |= {f"{INT8}, {_MANY_ROWS} rows": int8_us, f"{linear}, {_MANY_ROWS} rows": exact_us}
        if weights == "int8" or int8_us < exact_us:
            linear = INT8
    jit = _jit_trial(spec, chosen_dtype)
    decode_us = _time_attention(spec, chosen_dtype, slots=_SLOTS, width=1, besides={} if jit is None else {_JIT: jit})
    prompt_us = _time_attention(spec, chosen_dtype, slots=_PROMPT_SLOTS, width=_PROMPT)
    return Choice(
        device,
        chosen_dtype,
        linear,
        min(ATTENTION_KERNELS, key=lambda name: decode_us[name]),
        min(prompt_us, key=lambda name: prompt_us[name]),
        min(decode_us, key=lambda name: decode_us[name]) == _JIT,
        named,
        decode_us,
        prompt_us,
    )


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
    best = _race({"reading": data.sum, "product": lambda: a @ a})
    reading, product = best["reading"], best["product"]
    return Roofline(data.nbytes / reading * _MICROSECONDS, 2 * 1024**3 / product * _MICROSECONDS)


def _time_linears(spec: ModelSpec, dtypes: Sequence[torch.dtype]) -> dict[tuple[torch.dtype, str], float]:
    runs = {}
    for dtype in dtypes:
        # Several matrices in turn, so that what is timed is reading them from memory, as a forward pass does.
        matrices = [torch.randn(4 * spec.hidden, spec.hidden).to(dtype) for _ in range(_MATRICES)]
        x = torch.randn(_ROWS, spec.hidden).to(dtype)
        for name, make in LINEAR_KERNELS.items():
            if make is PackedLinear and not PackedLinear.available(dtype):
                continue
            linears = [make(matrix, None) for matrix in matrices]
            runs[dtype, name] = partial(_apply_all, linears, x)
    return {key: us / _MATRICES for key, us in _race(runs).items()}


def _race_int8(spec: ModelSpec, dtype: torch.dtype, exact: MakeLinear) -> tuple[float, float]:
    """Microseconds of an eight-bit linear, and of the best exact one.

    At many rows, where computing decides: for few, where reading does, fewer bits are faster anyway.
    """
    matrices = [torch.randn(4 * spec.hidden, spec.hidden) for _ in range(_MATRICES)]
    x = torch.randn(_MANY_ROWS, spec.hidden)
    best = _race(
        {
            INT8: partial(_apply_all, [EightBitLinear(matrix) for matrix in matrices], x),
            "exact": partial(_apply_all, [exact(matrix.to(dtype), None) for matrix in matrices], x.to(dtype)),
        }
    )
    return best[INT8] / _MATRICES, best["exact"] / _MATRICES


def _time_attention(
    spec: ModelSpec,
    dtype: torch.dtype,
    *,
    slots: int,
    width: int,
    besides: Mapping[str, Callable[[], object]] | None = None,
) -> dict[str, float]:
    store = torch.randn(2, slots, spec.kv_heads, 2 * _KEYS, spec.head_dim).to(dtype)[:, :, :, :_KEYS]
    query = torch.randn(slots, spec.kv_heads, width * spec.group, spec.head_dim).to(dtype)
    runs: dict[str, Callable[[], object]] = dict(besides or {})
    for name, kernel in ATTENTION_KERNELS.items():
        runs[name] = partial(kernel, query, store[0], store[1], None, 1.0, 0)
    return _race(runs)


def _jit_trial(spec: ModelSpec, dtype: torch.dtype) -> Callable[[], object] | None:
    """The compiled decode attention at the sizes of ``_time_attention``; None where there is none."""
    if dtype is not torch.bfloat16 or not is_llama_shaped(spec):
        return None
    try:
        from npc_engine.inference.model.jit.trial import make_trial
    except ImportError:
        return None
    return make_trial(spec, slots=_SLOTS, keys=_KEYS)


def _apply_all(linears: Sequence[Linear], x: torch.Tensor) -> None:
    for linear in linears:
        linear(x)


def _race(runs: Mapping[_Key, Callable[[], object]]) -> dict[_Key, float]:
    """Microseconds of each contender's best call. They take turns, so that a busy moment is everyone's."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(_TURNS):
        for key, run in runs.items():
            best[key] = min(best[key], _microseconds(run))
    return best


def _microseconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) * _MICROSECONDS
