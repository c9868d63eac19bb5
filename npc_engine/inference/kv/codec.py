"""How a block's attention state is written down: as it is, or in 4 bits a number.

The 4-bit codec quantises in groups with a minimum and a scale each. Keys are grouped along the tokens, one group per
channel, because a few channels are large in every token; values along the channels, one group per token. That is
KIVI's finding (Liu et al., arXiv 2402.02750); the groups of 64 with minimum and scale are FlexGen's (arXiv 2303.06865).
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch

_LEVELS = 15
_GROUP = 64
_TOKENS, _CHANNELS = -2, -1


class Codec(Protocol):
    """``state`` is [2, layers, kv_heads, tokens, head_dim]: K, then V."""

    name: str

    def encode(self, state: torch.Tensor) -> torch.Tensor:
        """``state`` as uint8 [n]. The result shares no memory with it."""
        ...

    def decode(self, payload: torch.Tensor, into: torch.Tensor) -> None:
        """Fill ``into`` from what ``encode`` gave for a state of the same shape. ValueError if it can't be that."""
        ...


class RawCodec:
    """Every bit kept."""

    name = "raw"

    def encode(self, state: torch.Tensor) -> torch.Tensor:
        """See Codec."""
        return state.clone(memory_format=torch.contiguous_format).view(-1).view(torch.uint8)

    def decode(self, payload: torch.Tensor, into: torch.Tensor) -> None:
        """See Codec."""
        _expect(payload, into.numel() * into.element_size())
        into.copy_(payload.view(into.dtype).view(into.shape))


class Int4Codec:
    """Four bits a number, and a float16 minimum and scale for every group of up to 64."""

    name = "int4"

    def encode(self, state: torch.Tensor) -> torch.Tensor:
        """See Codec. ValueError for numbers that float16 can't hold."""
        parts = [_quantise(_grouped(part, axis), axis) for part, axis in _halves(state)]
        return torch.cat([field.reshape(-1).view(torch.uint8) for part in parts for field in part])

    def decode(self, payload: torch.Tensor, into: torch.Tensor) -> None:
        """See Codec."""
        parts = [(_grouped(part, axis), axis) for part, axis in _halves(into)]
        sizes = [_packed_bytes(groups.shape, axis) for groups, axis in parts]
        _expect(payload, sum(sizes))
        for (groups, axis), size in zip(parts, sizes, strict=True):
            _restore(payload[:size], groups, axis)
            payload = payload[size:]


CODECS: dict[str, Callable[[], Codec]] = {"raw": RawCodec, "int4": Int4Codec}


class _Quantised(NamedTuple):
    """Of groups that lie along one axis: half as many bytes as numbers there; one minimum and one scale."""

    packed: torch.Tensor  # uint8
    lowest: torch.Tensor  # float16
    scale: torch.Tensor  # float16


def _halves(state: torch.Tensor) -> tuple[tuple[torch.Tensor, int], tuple[torch.Tensor, int]]:
    """K and V with the axis along which each is grouped."""
    return (state[0], _TOKENS), (state[1], _CHANNELS)


def _grouped(part: torch.Tensor, axis: int) -> torch.Tensor:
    """A view of ``part`` that has along ``axis`` the numbers of one group; the axis before it counts the groups."""
    shape, length = list(part.shape), part.shape[axis]
    size = next(s for s in range(min(_GROUP, length), 0, -1) if length % s == 0 and s % 2 == 0)
    at = len(shape) + axis
    return part.view(*shape[:at], length // size, size, *shape[at + 1 :])


def _quantise(groups: torch.Tensor, axis: int) -> _Quantised:
    numbers = groups.float()
    # Two reductions run at the speed of memory; torch's aminmax, which does both in one, takes twenty times as long.
    lowest, highest = numbers.amin(axis, keepdim=True), numbers.amax(axis, keepdim=True)
    low = lowest.half()
    scale = ((highest - low.float()) / _LEVELS).half()
    if not (low.isfinite().all() and scale.isfinite().all()):
        raise ValueError("numbers beyond what float16 holds")
    # A group whose numbers are all alike has no scale: its minimum says everything.
    per_step = torch.where(scale > 0, scale, 1).float().reciprocal_()
    levels = numbers.sub_(low.float()).mul_(per_step).round_().clamp_(0, _LEVELS).to(torch.uint8)
    first, second = levels.chunk(2, axis)
    return _Quantised(second.bitwise_left_shift(4).bitwise_or_(first), low, scale)


def _restore(payload: torch.Tensor, groups: torch.Tensor, axis: int) -> None:
    """Fill ``groups``, a view as ``_grouped`` gives it."""
    fewer, one = list(groups.shape), list(groups.shape)
    fewer[axis], one[axis] = groups.shape[axis] // 2, 1
    split = math.prod(fewer)
    packed = payload[:split].view(fewer)
    # A copy, because float16 must begin at an even address.
    low, scale = payload[split:].clone().view(torch.float16).view(2, *one).float()
    levels = torch.cat((packed & 15, packed >> 4), axis)
    groups.copy_(levels.float().mul_(scale).add_(low))


def _packed_bytes(shape: torch.Size, axis: int) -> int:
    return shape.numel() // 2 + 4 * (shape.numel() // shape[axis])


def _expect(payload: torch.Tensor, size: int) -> None:
    if payload.numel() != size:
        raise ValueError(f"a state of {size} bytes was expected, not of {payload.numel()}")
