"""Attention of many new tokens per sequence, over keys and values where they lie.

A *block* is some queries of one KV head of one sequence. Queries lie side by side in vectors, so that nothing is ever
added up across a vector, and neither keys nor values are turned: a product takes their numbers one by one.
"""

import numpy as np
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from npc_engine.inference.model.jit import emit
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.kept import compiled
from npc_engine.inference.model.jit.numbers import LOWEST, exponential, narrowed, widened

_ROWS, _VECTORS = 8, 3
"""Sums of a product that stay in registers: of so many rows, so many vectors."""

_KEYS = 64
"""Keys whose values, and the weights of a block's queries for them, stay in the processor's first cache."""


@compiled
def prompt_attention(query, keys, values, first, visible, scale, fold, out):
    """Fill ``out`` from ``query``, both uint16 [slots, kv_heads, positions * fold, size].

    ``keys``, ``values`` uint16 [all slots, kv_heads, capacity, size], of which slots ``first``.. are meant; ``visible``
    int64 [slots, positions], how many of the keys each position sees.
    """
    slots, kv_heads, queries, _ = query.shape
    blocks = -(-queries // (_VECTORS * LANES))
    for item in prange(slots * kv_heads * blocks):
        slot, head, block = item // (kv_heads * blocks), item // blocks % kv_heads, item % blocks
        begin, end = block * queries // blocks, (block + 1) * queries // blocks
        seen = np.empty(-(-(end - begin) // LANES) * LANES, np.int64)
        for i in range(len(seen)):
            seen[i] = visible[slot, min(begin + i, end - 1) // fold]
        where = first + slot, head
        _attend(query[slot, head, begin:end], keys[where], values[where], seen, scale, out[slot, head, begin:end])


@njit(fastmath=True, nogil=True, error_model="numpy")
def _attend(query, keys, values, seen, scale, out):
    count, size = query.shape
    most = seen.max()
    turned = np.zeros((size, len(seen)), np.float32)
    for i in range(count):
        for d in range(size):
            turned[d, i] = widened(query[i, d]) * scale
    # Whole rows of a product: what is behind the last key weighs nothing.
    wide = np.zeros((-(-most // _ROWS) * _ROWS, size), np.float32)
    weights = np.zeros((len(wide), len(seen)), np.float32)
    _widen(keys[:most], wide)
    for row in range(0, len(wide), _ROWS):
        _multiply(wide[row : row + _ROWS], turned, weights[row : row + _ROWS])
    totals = _soften(weights[:most], seen)
    _widen(values[:most], wide)
    sums = np.zeros((size, len(seen)), np.float32)
    for low in range(0, most, _KEYS):
        high = min(low + _KEYS, most)
        for row in range(0, size, _ROWS):
            _multiply(wide[low:high, row : row + _ROWS].T, weights[low:high], sums[row : row + _ROWS])
    for i in range(count):
        share = np.float32(1.0) / totals[i]
        for d in range(size):
            out[i, d] = narrowed(sums[d, i] * share)


@njit(fastmath=True, nogil=True, error_model="numpy")
def _widen(bits, wide):
    for j in range(len(bits)):
        for d in range(bits.shape[1]):
            wide[j, d] = widened(bits[j, d])


@njit(fastmath=True, nogil=True, error_model="numpy")
def _soften(weights, seen):
    """Turn scores [keys, queries] into weights that add up to what is returned; what is not ``seen`` weighs nothing."""
    queries, all_see = len(seen), seen.min()
    most = np.full(queries, LOWEST, np.float32)
    for j in range(all_see):
        for i in range(queries):
            most[i] = max(most[i], weights[j, i])
    for j in range(all_see, len(weights)):
        for i in range(queries):
            most[i] = max(most[i], weights[j, i] if j < seen[i] else most[i])
    totals = np.zeros(queries, np.float32)
    for j in range(all_see):
        for i in range(queries):
            weight = exponential(weights[j, i] - most[i])
            weights[j, i] = weight
            totals[i] += weight
    for j in range(all_see, len(weights)):
        for i in range(queries):
            weight = exponential(weights[j, i] - most[i]) if j < seen[i] else np.float32(0.0)
            weights[j, i] = weight
            totals[i] += weight
    return totals


def _product(vectors):
    """An intrinsic for so many vectors of columns: ``out += left @ right``.

    ``left`` float32 [_ROWS, ..], laid out in any way; ``right`` and ``out`` float32 [.., vectors * LANES], each row in
    one piece.
    """

    @intrinsic
    def product(_context, left, right, out):
        signature = types.void(left, right, out)

        def generate(context, builder, signature, args):
            left, right, out = (
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(signature.args, args, strict=True)
            )
            across, along = cgutils.unpack_tuple(builder, left.strides, 2)
            count = builder.extract_value(left.shape, 1)
            step, apart = (builder.extract_value(array.strides, 0) for array in (right, out))
            begin, columns, target = (builder.ptrtoint(array.data, emit.I64) for array in (left, right, out))
            lines = [emit.at(builder, begin, across, row) for row in range(_ROWS)]
            places = [
                [
                    builder.add(emit.at(builder, target, apart, row), emit.constant(4 * LANES * v))
                    for v in range(vectors)
                ]
                for row in range(_ROWS)
            ]
            sums = [
                [cgutils.alloca_once_value(builder, emit.load(builder, place, emit.FLOATS, 4)) for place in row]
                for row in places
            ]
            with cgutils.for_range(builder, count) as loop:
                numbers = builder.add(columns, builder.mul(loop.index, step))
                row_of = [
                    emit.load(builder, builder.add(numbers, emit.constant(4 * LANES * v)), emit.FLOATS, 4)
                    for v in range(vectors)
                ]
                offset = builder.mul(loop.index, along)
                for row in range(_ROWS):
                    factor = emit.load(builder, builder.add(lines[row], offset), emit.F32, 4)
                    factor = emit.spread(builder, factor, emit.FLOATS)
                    for total, vector in zip(sums[row], row_of, strict=True):
                        builder.store(emit.times_plus(builder, factor, vector, builder.load(total)), total)
            for row, totals in zip(places, sums, strict=True):
                for place, total in zip(row, totals, strict=True):
                    emit.store(builder, builder.load(total), place)
            return context.get_dummy_value()

        return signature, generate

    return product


_product_1, _product_2, _product_3 = (_product(vectors) for vectors in range(1, _VECTORS + 1))


@njit(inline="always")
def _multiply(left, right, out):
    """``out += left @ right``."""
    if right.shape[1] == LANES:
        _product_1(left, right, out)
    elif right.shape[1] == 2 * LANES:
        _product_2(left, right, out)
    else:
        _product_3(left, right, out)
