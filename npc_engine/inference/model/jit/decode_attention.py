"""Attention of one new token per sequence, over keys and values where they lie.

``shared`` leading keys are the same in all slots: they are taken from the first one, tile by tile while a tile is in
the processor's cache, for all sequences (cascade attention, Ye et al., flashinfer.ai, 2024). Everything else is read
from memory once.
"""

import numpy as np
from numba import njit, prange

from npc_engine.inference.model.jit.dots import TILE, gather, place, score
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.kept import compiled
from npc_engine.inference.model.jit.numbers import LOWEST, exponential, narrowed, widened

_SHARED = 64
"""Keys that all sequences are done with before the next are read."""


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
        # Whole tiles, also from the last shared key on.
        scores = np.empty((end - begin, fold, longest + TILE), np.float32)
        for i in range(end - begin):
            for f in range(fold):
                for d in range(size):
                    queries[i, f, place(d, size)] = widened(query[begin + i, head, f, d]) * scale
        for low in range(0, shared, _SHARED):
            theirs = keys[first, head, low : min(low + _SHARED, shared)]
            for i in range(end - begin):
                _score(queries[i], theirs, scores[i, :, low:], theirs, heads, lanes)
        for i in range(end - begin):
            slot, length = first + begin + i, lengths[begin + i]
            following = min(slot + 1, first + slots - 1)
            mine = values[slot, head, shared:length]
            _score(queries[i], keys[slot, head, shared:length], scores[i, :, shared:], mine, heads, lanes)
            for f in range(fold):
                _soften(scores[i, f, :length])
            _gather(scores[i, :, shared:], mine, sums[i], keys[following, head, shared:], heads, lanes)
        for low in range(0, shared, _SHARED):
            theirs = values[first, head, low : min(low + _SHARED, shared)]
            for i in range(end - begin):
                _gather(scores[i, :, low:], theirs, sums[i], theirs, heads, lanes)
        for i in range(end - begin):
            for f in range(fold):
                for d in range(size):
                    out[begin + i, head, f, d] = narrowed(sums[i, f, place(d, size)])


@njit(fastmath=True, inline="always")
def _score(queries, keys, scores, soon, heads, lanes):
    """``scores[f, j] = queries[f] . keys[j]``; what is behind them, to the next whole tile, is overwritten.

    ``soon`` is what is read next.
    """
    count = len(keys)
    whole = count - count % TILE
    score(queries, keys, whole // TILE, scores, soon, heads, lanes)
    if whole < count:
        rest = np.zeros((TILE, keys.shape[1]), np.uint16)
        rest[: count - whole] = keys[whole:]
        score(queries, rest, 1, scores[:, whole:], soon[whole:], heads, lanes)


@njit(fastmath=True, inline="always")
def _soften(scores):
    """Turn scores into weights: softmax."""
    most = _largest(scores)
    total = np.float32(0.0)
    for j in range(len(scores)):
        weight = exponential(scores[j] - most)
        scores[j] = weight
        total += weight
    scores *= np.float32(1.0) / total


@njit(fastmath=True, inline="always")
def _largest(numbers):
    """Lane by lane: compilers make no vectors of a search for one largest float."""
    lanes = np.full(LANES, LOWEST, np.float32)
    whole = len(numbers) - len(numbers) % LANES
    for j in range(0, whole, LANES):
        for lane in range(LANES):
            lanes[lane] = max(lanes[lane], numbers[j + lane])
    for j in range(whole, len(numbers)):
        lanes[0] = max(lanes[0], numbers[j])
    most = lanes[0]
    for lane in range(LANES):
        most = max(most, lanes[lane])
    return most


@njit(fastmath=True, inline="always")
def _gather(weights, values, sums, soon, heads, lanes):
    """``sums[f] += weights[f] @ values``. ``soon`` is what is read next."""
    gather(weights, values, sums, soon, heads, lanes)
