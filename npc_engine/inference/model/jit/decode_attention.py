"""Attention of one new token per sequence, over keys and values where they lie.

Leading keys that are the same in all slots are attended to apart, for all sequences at once, and what comes of that is
merged with what each has of its own (cascade attention, Ye et al., flashinfer.ai, 2024). What sequences have of their
own is read from memory once.

What attention to some of the keys comes to, before it is merged, is a row of float32: the weighted sums [size], then
the weights' own sum, then the score that they are relative to.
"""

import numpy as np
from numba import njit, prange

from npc_engine.inference.model.jit.dots import TILE, gather, place, score
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.kept import compiled
from npc_engine.inference.model.jit.numbers import LOWEST, exponential, narrowed, widened

_SHARED = 64
"""Keys that all sequences are done with before the next are read."""

BESIDE_SUMS = 2
"""Numbers of a row beside its sums."""


@compiled
def decode_attention(query, keys, values, first, lengths, shared, common, scale, parts, heads, lanes, out):
    """Fill ``out`` from ``query``, both uint16 [slots, kv_heads, fold, size].

    ``keys``, ``values`` uint16 [all slots, kv_heads, capacity, size], of which slots ``first``.. are meant;
    ``lengths`` int64 [slots], keys of each. Attention to the first ``shared`` of them is in the rows of ``common``,
    [slots, kv_heads, fold, size + BESIDE_SUMS], or empty if there are none. ``heads`` and ``lanes``: tuples of ``fold``
    float32 zeros and of ``size / LANES`` zeros, whose lengths are known to the compiler. The work is cut into kv_heads
    * ``parts``.
    """
    slots, kv_heads, fold, size = query.shape
    longest = lengths.max() - shared
    for item in prange(kv_heads * parts):
        head, part = item // parts, item % parts
        begin, end = part * slots // parts, (part + 1) * slots // parts
        scores = np.empty((fold, longest + TILE), np.float32)  # whole tiles
        for i in range(begin, end):
            slot, length = first + i, lengths[i]
            following = min(slot + 1, first + slots - 1)
            mine = values[slot, head, shared:length]
            queries, sums = _laid_out(query[i, head], scale), np.zeros((fold, size), np.float32)
            _score(queries, keys[slot, head, shared:length], scores, mine, heads, lanes)
            tops, totals = np.empty(fold, np.float32), np.empty(fold, np.float32)
            for f in range(fold):
                tops[f], totals[f] = _soften(scores[f, : length - shared])
            gather(scores, mine, sums, keys[following, head, shared:], heads, lanes)
            for f in range(fold):
                own, theirs = np.float32(1.0), np.float32(0.0)
                if shared:
                    top = max(tops[f], common[i, head, f, size + 1])
                    own, theirs = exponential(tops[f] - top), exponential(common[i, head, f, size + 1] - top)
                    totals[f] = own * totals[f] + theirs * common[i, head, f, size]
                own, theirs = own / totals[f], theirs / totals[f]
                for d in range(size):
                    number = own * sums[f, place(d, size)]
                    if shared:
                        number += theirs * common[i, head, f, d]
                    out[i, head, f, d] = narrowed(number)


@compiled
def shared_attention(query, keys, values, first, shared, scale, parts, heads, lanes, common):
    """Fill ``common`` for ``decode_attention``, whose arguments these are, one tile of keys after another."""
    slots, kv_heads, fold, size = query.shape
    for item in prange(kv_heads * parts):
        head, part = item // parts, item % parts
        begin, end = part * slots // parts, (part + 1) * slots // parts
        queries = np.empty((end - begin, fold, size), np.float32)
        sums = np.zeros((end - begin, fold, size), np.float32)
        scores = np.empty((end - begin, fold, shared + TILE), np.float32)
        for i in range(end - begin):
            queries[i] = _laid_out(query[begin + i, head], scale)
        for low in range(0, shared, _SHARED):
            theirs = keys[first, head, low : min(low + _SHARED, shared)]
            for i in range(end - begin):
                _score(queries[i], theirs, scores[i, :, low:], theirs, heads, lanes)
        for i in range(end - begin):
            for f in range(fold):
                top, total = _soften(scores[i, f, :shared])
                common[begin + i, head, f, size], common[begin + i, head, f, size + 1] = total, top
        for low in range(0, shared, _SHARED):
            theirs = values[first, head, low : min(low + _SHARED, shared)]
            for i in range(end - begin):
                gather(scores[i, :, low:], theirs, sums[i], theirs, heads, lanes)
        for i in range(end - begin):
            for f in range(fold):
                for d in range(size):
                    common[begin + i, head, f, d] = sums[i, f, place(d, size)]


@njit(fastmath=True, inline="always")
def _laid_out(query, scale):
    """``query`` [fold, size] times ``scale``, as ``score`` takes it."""
    fold, size = query.shape
    queries = np.empty((fold, size), np.float32)
    for f in range(fold):
        for d in range(size):
            queries[f, place(d, size)] = widened(query[f, d]) * scale
    return queries


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
    """Turn scores into weights, of which the largest is 1. That one's score, and the sum of all."""
    most = _largest(scores)
    total = np.float32(0.0)
    for j in range(len(scores)):
        weight = exponential(scores[j] - most)
        scores[j] = weight
        total += weight
    return most, total


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
