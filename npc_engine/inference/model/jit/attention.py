"""Attention of one new token per sequence, over keys and values where they lie.

``shared`` leading keys are the same in all slots: they are taken from the first one, tile by tile while a tile is in
the processor's cache, for all sequences (cascade attention, Ye et al., flashinfer.ai, 2024). Everything else is read
from memory once.
"""

import numpy as np
from numba import njit, prange
from numba.cpython.unsafe.tuple import tuple_setitem

from npc_engine.inference.model.jit.kept import compiled
from npc_engine.inference.model.jit.numbers import exponential, narrowed, widened

_TILE = 64
_STEP = 8
"""Values that are added up before their sum goes to memory."""

LANES = 16
"""Head sizes are multiples of this, so that inner loops have no remainder."""


@compiled
def decode_attention(query, keys, values, first, lengths, shared, scale, parts, heads, lanes, out):
    """Fill ``out`` from ``query``, both uint16 [slots, kv_heads, fold, size].

    ``keys``, ``values`` uint16 [all slots, kv_heads, capacity, size], of which slots ``first``.. are meant;
    ``lengths`` int64 [slots], keys of each; ``heads`` and ``lanes`` tuples of ``fold`` float32 zeros and of
    ``size / LANES`` zeros: their lengths are known to the compiler. The work is cut into kv_heads * ``parts``.
    """
    slots, kv_heads, fold, size = query.shape
    longest = lengths.max()
    for item in prange(kv_heads * parts):
        head, part = item // parts, item % parts
        begin, end = part * slots // parts, (part + 1) * slots // parts
        queries = np.empty((end - begin, fold, size), np.float32)
        sums = np.zeros((end - begin, fold, size), np.float32)
        scores = np.empty((end - begin, fold, longest), np.float32)
        for i in range(end - begin):
            for f in range(fold):
                for d in range(size):
                    queries[i, f, d] = widened(query[begin + i, head, f, d]) * scale
        for low in range(0, shared, _TILE):
            high = min(low + _TILE, shared)
            for i in range(end - begin):
                _score(queries[i], keys[first, head, low:high], scores[i, :, low:high], heads, lanes)
        for i in range(end - begin):
            slot, length = first + begin + i, lengths[begin + i]
            _score(queries[i], keys[slot, head, shared:length], scores[i, :, shared:length], heads, lanes)
            for f in range(fold):
                _soften(scores[i, f, :length])
            _gather(scores[i, :, shared:length], values[slot, head, shared:length], sums[i], heads, lanes)
        for low in range(0, shared, _TILE):
            high = min(low + _TILE, shared)
            for i in range(end - begin):
                _gather(scores[i, :, low:high], values[first, head, low:high], sums[i], heads, lanes)
        for i in range(end - begin):
            for f in range(fold):
                for d in range(size):
                    out[begin + i, head, f, d] = narrowed(sums[i, f, d])


@compiled
def soften(common, own, visible, scale, fold):
    """Turn scores into weights in place: one softmax over both a query's rows.

    ``common`` uint16 [kv_heads, slots * queries, shared], ``own`` uint16 [slots * kv_heads, queries, keys];
    ``visible`` int64 [slots, queries / fold], how many of ``own`` each position sees: the others weigh nothing.
    """
    kv_heads, queries, slots = common.shape[0], own.shape[1], len(visible)
    for item in prange(slots * kv_heads * queries):
        slot, rest = item // (kv_heads * queries), item % (kv_heads * queries)
        head, query = rest // queries, rest % queries
        end = visible[slot, query // fold]
        theirs = common[head, slot * queries + query]
        mine = own[slot * kv_heads + head, query]
        most = np.float32(-np.inf)
        for j in range(len(theirs)):
            most = max(most, widened(theirs[j]))
        for j in range(end):
            most = max(most, widened(mine[j]))
        weights = np.empty(len(theirs) + end, np.float32)
        total = np.float32(0.0)
        for j in range(len(theirs)):
            weight = exponential((widened(theirs[j]) - most) * scale)
            weights[j] = weight
            total += weight
        for j in range(end):
            weight = exponential((widened(mine[j]) - most) * scale)
            weights[len(theirs) + j] = weight
            total += weight
        share = np.float32(1.0) / total
        for j in range(len(theirs)):
            theirs[j] = narrowed(weights[j] * share)
        for j in range(end):
            mine[j] = narrowed(weights[len(theirs) + j] * share)
        mine[end:] = 0


@njit(fastmath=True, inline="always")
def _score(query, keys, scores, heads, lanes):
    """scores[f, j] = query[f] . keys[j]"""
    size = LANES * len(lanes)
    for j in range(len(keys)):
        sums = heads
        for d in range(size):
            key = widened(keys[j, d])
            for f in range(len(heads)):
                sums = tuple_setitem(sums, f, sums[f] + query[f, d] * key)
        for f in range(len(heads)):
            scores[f, j] = sums[f]


@njit(fastmath=True, inline="always")
def _soften(scores):
    """Turn scores into weights: softmax."""
    most = scores[0]
    for j in range(len(scores)):
        most = max(most, scores[j])
    total = np.float32(0.0)
    for j in range(len(scores)):
        weight = exponential(scores[j] - most)
        scores[j] = weight
        total += weight
    scores *= np.float32(1.0) / total


@njit(fastmath=True, inline="always")
def _gather(weights, values, sums, heads, lanes):
    """sums[f] += weights[f] @ values"""
    size = LANES * len(lanes)
    steps = len(values) - len(values) % _STEP
    for j in range(0, steps, _STEP):
        for d in range(size):
            part = heads
            for i in range(_STEP):
                value = widened(values[j + i, d])
                for f in range(len(heads)):
                    part = tuple_setitem(part, f, part[f] + weights[f, j + i] * value)
            for f in range(len(heads)):
                sums[f, d] += part[f]
    for j in range(steps, len(values)):
        for d in range(size):
            value = widened(values[j, d])
            for f in range(len(heads)):
                sums[f, d] += weights[f, j] * value
