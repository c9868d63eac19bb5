"""The attention kernels, between which ``probe`` chooses by measuring.

Attention is *folded*: the query heads that share a KV head become query positions of that head, so that K and V are
read once. On CPU this is 5 to 20 times faster than letting the library repeat K and V.
"""

from typing import NamedTuple, Protocol

import torch
from torch.nn import functional

from npc_engine.inference.model.batch import Group


class AttentionKernel(Protocol):
    """Attention of some slots over their keys, of which the first ``shared`` are the same in all of them.

    ``query`` [slots, kv_heads, width, head_dim], where ``width`` are query positions times folded heads; ``keys`` and
    ``values`` [slots, kv_heads, keys, head_dim], views; ``mask`` additive [slots, 1, width, keys - shared] or None.
    Returns a tensor like ``query``.
    """

    def __call__(
        self,
        query: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float,
        shared: int,
    ) -> torch.Tensor: ...


def sdpa(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
    shared: int,
) -> torch.Tensor:
    """The library's flash attention. Shared keys are not treated apart: every slot has them."""
    if mask is not None and shared:
        mask = functional.pad(mask, (shared, 0))
    return functional.scaled_dot_product_attention(query, keys, values, mask, scale=scale)


def cascade(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
    shared: int,
) -> torch.Tensor:
    """Products and a softmax, written out, with one product for the shared keys of all slots.

    The idea is that of cascade attention (Ye et al., flashinfer.ai, 2024) and Hydragen (Juravsky et al., arXiv
    2402.05099); as all scores are at hand, one softmax over them takes the place of merging by log-sum-exp.
    """
    slots, kv_heads, width, head_dim = query.shape
    query = torch.mul(query, scale).contiguous()
    own_keys, own_values = keys[:, :, shared:].flatten(0, 1), values[:, :, shared:].flatten(0, 1)
    scores = _scores(query.view(slots * kv_heads, width, head_dim), own_keys).view(slots, kv_heads, width, -1)
    if mask is not None:
        scores = scores.add_(mask)
    if not shared:
        weights = torch.softmax(scores, -1)
        return torch.bmm(weights.flatten(0, 1), own_values).view_as(query)
    everyone = query.transpose(0, 1).reshape(kv_heads, slots * width, head_dim)
    common = torch.bmm(everyone, keys[0, :, :shared].transpose(1, 2)).view(kv_heads, slots, width, shared)
    weights = torch.softmax(torch.cat((common.transpose(0, 1), scores), -1), -1)
    own = torch.bmm(weights[..., shared:].flatten(0, 1), own_values).view_as(query)
    theirs = weights[..., :shared].transpose(0, 1).reshape(kv_heads, slots * width, shared)
    common = torch.bmm(theirs, values[0, :, :shared]).view(kv_heads, slots, width, head_dim)
    return own.add_(common.transpose(0, 1))


def _scores(query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """[n, width, head_dim] and [n, keys, head_dim] -> [n, width, keys]."""
    if query.shape[1] > _FEW_QUERIES:
        return torch.bmm(query, keys.transpose(1, 2))
    # K as the left operand: for few queries, a transposed right operand would be copied first.
    return torch.bmm(keys, query.transpose(1, 2)).transpose(1, 2).contiguous()


_FEW_QUERIES = 8
ATTENTION_KERNELS: dict[str, AttentionKernel] = {"sdpa": sdpa, "cascade": cascade}


class Attention(NamedTuple):
    """The kernels for one query a slot, and for many."""

    decode: AttentionKernel
    prompt: AttentionKernel


def attend(
    kernels: Attention,
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    groups: tuple[Group, ...],
    scale: float,
) -> torch.Tensor:
    """Attention of a whole batch over one layer's slots.

    ``query`` [rows, heads, head_dim]; ``keys``, ``values`` [slots, kv_heads, capacity, head_dim].
    Returns [rows, heads * head_dim].
    """
    return join([attend_group(kernels, query, keys, values, group, scale) for group in groups])


def attend_group(
    kernels: Attention, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, group: Group, scale: float
) -> torch.Tensor:
    """What ``attend`` does for one of the groups; the rows of that group."""
    slots = slice(group.first, group.first + group.size)
    out = (kernels.decode if group.width == 1 else kernels.prompt)(
        fold(query, group, keys.shape[1]),
        keys[slots, :, : group.keys],
        values[slots, :, : group.keys],
        group.mask,
        scale,
        group.shared,
    )
    return unfold(out, group)


ROW_STEP, KEY_STEP = 16, 64


def attend_in_steps(
    kernel: AttentionKernel, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, group: Group, scale: float
) -> torch.Tensor:
    """What ``kernel`` makes of a group of prompts, in one of few shapes; the rows of that group.

    For bfloat16 the library compiles a product for each shape that it meets, and never lets go of it. So queries and
    keys are whole steps. A key too many is hidden; what is in a query too many is not looked at.
    """
    slots = slice(group.first, group.first + group.size)
    folded = fold(query, group, keys.shape[1])
    size, kv_heads, rows, head_dim = folded.shape
    padded = folded.new_zeros(size, kv_heads, _stepped(rows, ROW_STEP), head_dim)
    padded[:, :, :rows] = folded
    most = min(_stepped(group.keys, KEY_STEP), keys.shape[2])
    mask = group.whole_mask(padded.shape[2], most)
    out = kernel(padded, keys[slots, :, :most], values[slots, :, :most], mask, scale, 0)
    return unfold(out[:, :, :rows], group)


def _stepped(number: int, step: int) -> int:
    return -(-number // step) * step


def fold(query: torch.Tensor, group: Group, kv_heads: int) -> torch.Tensor:
    """The group's rows of [rows, heads, head_dim] as [size, kv_heads, width * fold, head_dim]."""
    part = query[group.row : group.row + group.count] if group.rows is None else query[group.rows]
    folded = part.view(group.size, group.width, kv_heads, group.fold, -1).transpose(1, 2)
    return folded.reshape(group.size, kv_heads, group.width * group.fold, -1)


def unfold(out: torch.Tensor, group: Group) -> torch.Tensor:
    """The opposite of ``fold``, as [rows of the group, heads * head_dim]."""
    size, kv_heads, _, head_dim = out.shape
    out = out.view(size, kv_heads, group.width, group.fold, head_dim).transpose(1, 2)
    out = out.reshape(size * group.width, kv_heads * group.fold * head_dim)
    return out if group.scatter is None else out[group.scatter]


def join(parts: list[torch.Tensor]) -> torch.Tensor:
    """The rows of all groups, in the batch's order."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)
