"""How a block's attention state is written down: as it is, or in 4 bits a number.

The 4-bit codec quantises in groups with a minimum and a scale each. Keys are grouped along the tokens, one group per
channel, because a few channels are large in every token; values along the channels, one group per token. That is
KIVI's finding (Liu et al., arXiv 2402.02750); the groups of 64 with minimum and scale are FlexGen's (arXiv 2303.06865).
"""

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
        """See Codec."""
        parts = [_quantise(_grouped(part, axis)) for part, axis in _halves(state)]
        return torch.cat([field.reshape(-1).view(torch.uint8) for part in parts for field in part])

    def decode(self, payload: torch.Tensor, into: torch.Tensor) -> None:
        """See Codec."""
        shapes = [_grouped(part, axis).shape for part, axis in _halves(into)]
        _expect(payload, sum(_packed_bytes(shape) for shape in shapes))
        for (part, axis), shape in zip(_halves(into), shapes, strict=True):
            size = _packed_bytes(shape)
            _grouped(part, axis).copy_(_restore(payload[:size], shape))
            payload = payload[size:]


CODECS: dict[str, Callable[[], Codec]] = {"raw": RawCodec, "int4": Int4Codec}


class _Quantised(NamedTuple):
    packed: torch.Tensor  # uint8 [groups, size / 2]
    lowest: torch.Tensor  # float16 [groups]
    scale: torch.Tensor  # float16 [groups]


def _halves(state: torch.Tensor) -> tuple[tuple[torch.Tensor, int], tuple[torch.Tensor, int]]:
    """K and V with the axis along which each is grouped."""
    return (state[0], _TOKENS), (state[1], _CHANNELS)


def _grouped(part: torch.Tensor, axis: int) -> torch.Tensor:
    """A view [..., groups, size] of ``part``, whose groups lie along ``axis``."""
    turned = part.transpose(axis, -1)
    size = next(s for s in range(min(_GROUP, turned.shape[-1]), 0, -1) if turned.shape[-1] % s == 0 and s % 2 == 0)
    return turned.view(*turned.shape[:-1], -1, size)


def _quantise(groups: torch.Tensor) -> _Quantised:
    flat = groups.float()
    lowest, highest = flat.aminmax(dim=-1)
    low = lowest.half()
    scale = ((highest - low.float()) / _LEVELS).half()
    # A group whose numbers are all alike has no scale: its minimum says everything.
    steps = torch.where(scale > 0, scale, 1).float()
    levels = (flat - low.float()[..., None]).div_(steps[..., None]).round_().clamp_(0, _LEVELS).to(torch.uint8)
    return _Quantised(levels[..., ::2] | (levels[..., 1::2] << 4), low, scale)


def _restore(payload: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Float32 of ``shape`` [..., groups, size]."""
    groups, size = shape[:-1].numel(), shape[-1]
    split = groups * size // 2
    packed = payload[:split].view(*shape[:-1], size // 2)
    numbers = payload[split:].view(torch.uint8).clone().view(torch.float16).view(2, *shape[:-1]).float()
    levels = torch.stack((packed & 15, packed >> 4), dim=-1).view(shape)
    return levels * numbers[1][..., None] + numbers[0][..., None]


def _packed_bytes(shape: torch.Size) -> int:
    groups, size = shape[:-1].numel(), shape[-1]
    return groups * (size // 2 + 4)


def _expect(payload: torch.Tensor, size: int) -> None:
    if payload.numel() != size:
        raise ValueError(f"a state of {size} bytes was expected, not of {payload.numel()}")
