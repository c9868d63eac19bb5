"""Products with weights of four bits, in the processor's own instruction for them.

Activations become eight bits, 32 neighbours with one scale, as the weights have theirs. So a value that stands out
costs only its neighbours, and the model needs no other basis. The arithmetic is llama.cpp's for its Q4_1 and Q8_1.

A *tile* is 16 outputs for a few rows. Its weights lie as the instruction takes them, 16 outputs by 4 inputs, the first
half of a group in the low bits and the second in the high ones, and are read from memory once for all rows.
"""

import numpy as np
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from npc_engine.inference.model.jit import emit
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.kept import compiled
from npc_engine.inference.model.jit.numbers import from_bits, narrowed, number, size_bits, widened

GROUP = 32
TILE_BYTES, TILE_NUMBERS = GROUP * LANES // 2, 2 * LANES
"""Of a group in a tile: its packed weights, and its 16 scales and then 16 lowest values."""

LARGEST, SMALLEST = 127, 1.2e-38
FEW = 1 << 14
"""Numbers up to which another thread makes levels no faster (two AVX-512 cores): it has begun, for the product."""

_LOADS, _BYTES = 4, 4


def _tile(rows):
    """An intrinsic for ``rows`` rows: so many sums stay in registers.

    Addresses of a tile's weights and grid; of the rows' levels int8, ``size`` apart; of their groups' scales and sums
    float32, ``groups`` apart; of the product float32, LANES apart.
    """

    @intrinsic
    def tile(_context, weights, grid, levels, size, scales, sums, groups, product):  # noqa: ARG001
        signature = types.void(*[types.intp] * 8)

        def generate(context, builder, _signature, args):
            weights, grid, levels, size, scales, sums, groups, product = args
            totals = [cgutils.alloca_once_value(builder, emit.ZEROS) for _ in range(rows)]
            with cgutils.for_range(builder, groups) as loop:
                group = loop.index
                dots = _dots(
                    builder,
                    emit.at(builder, weights, group, TILE_BYTES),
                    emit.at(builder, levels, group, GROUP),
                    size,
                    rows,
                )
                numbers = emit.at(builder, grid, group, 2 * TILE_NUMBERS)
                scale = emit.widened(builder, numbers)
                low = emit.widened(builder, builder.add(numbers, emit.constant(2 * LANES)))
                for row, total in enumerate(totals):
                    place = builder.add(group, builder.mul(groups, emit.constant(row)))
                    row_scale = emit.everywhere(builder, scales, place)
                    row_sum = emit.everywhere(builder, sums, place)
                    dot = builder.fmul(builder.sitofp(dots[row], emit.FLOATS), scale)
                    so_far = emit.times_plus(builder, low, row_sum, builder.load(total))
                    builder.store(emit.times_plus(builder, dot, row_scale, so_far), total)
            for row, total in enumerate(totals):
                where = emit.at(builder, product, emit.constant(row), 4 * LANES)
                emit.store(builder, builder.load(total), where)
            return context.get_dummy_value()

        return signature, generate

    return tile


def _dots(builder, weights, levels, size, rows):
    """Sums of level times level over a group, int32 [LANES] for each row."""
    dots = [emit.ints(0)] * rows
    low_bits, four = emit.ints(0x0F0F0F0F), emit.ints(4)
    for load in range(_LOADS):
        packed = emit.load(builder, builder.add(weights, emit.constant(4 * LANES * load)), emit.INTS, 64)
        halves = builder.and_(packed, low_bits), builder.and_(builder.lshr(packed, four), low_bits)
        for half, part in enumerate(halves):
            offset = half * GROUP // 2 + _BYTES * load
            for row in range(rows):
                place = builder.add(levels, emit.constant(offset))
                place = builder.add(place, builder.mul(size, emit.constant(row)))
                four_levels = emit.spread(builder, emit.load(builder, place, emit.I32, 1), emit.INTS)
                dots[row] = emit.call(builder, "llvm.x86.avx512.vpdpbusd.512", emit.INTS, dots[row], part, four_levels)
    return dots


_tile_1, _tile_2, _tile_4, _tile_8 = (_tile(rows) for rows in (1, 2, 4, 8))


@compiled
def pack(weight, weights, grid, parts):
    """Fill ``weights`` and ``grid``, as ``product`` takes them, from ``weight`` [outputs, size], float32 or bits.

    ``parts`` float32 [tiles, 2]: the sums of squares of what is lost, and of the weights.
    """
    for tile in prange(len(weights)):
        numbers = np.empty(GROUP, np.float32)
        weights[tile] = 0
        lost, whole = np.float32(0.0), np.float32(0.0)
        for group in range(weights.shape[1]):
            for lane in range(LANES):
                row, first = weight[tile * LANES + lane], group * GROUP
                for d in range(GROUP):
                    numbers[d] = number(row[first + d])
                low, high = numbers[0], numbers[0]
                for d in range(GROUP):
                    low, high = min(low, numbers[d]), max(high, numbers[d])
                step = max((high - low) / np.float32(15.0), np.float32(SMALLEST))
                grid[tile, group, lane], grid[tile, group, LANES + lane] = narrowed(step), narrowed(low)
                scale, offset = widened(narrowed(step)), widened(narrowed(low))
                for d in range(GROUP):
                    level = np.floor((numbers[d] - low) / step + np.float32(0.5))
                    error = level * scale + offset - numbers[d]
                    lost += error * error
                    whole += numbers[d] * numbers[d]
                    half, within = d // (GROUP // 2), d % (GROUP // 2)
                    place = (within // _BYTES * LANES + lane) * _BYTES + within % _BYTES
                    weights[tile, group, place] |= np.uint8(level) << np.uint8(4 * half)
        parts[tile, 0], parts[tile, 1] = lost, whole


@compiled
def product(x, norm, eps, weights, grid, bias, out):
    """``out`` uint16 [rows, outputs] = ``x`` [rows, size], float32 or bfloat16's bits, by the weights, plus ``bias``.

    ``weights`` uint8 [tiles, groups, TILE_BYTES], ``grid`` uint16 [tiles, groups, TILE_NUMBERS]. With ``norm``, float32
    [size] or empty, the rows are divided by their root mean squares and multiplied by it first. ``bias`` may be empty.
    """
    levels, scales, sums = _levels(x, norm, eps)
    for tile in prange(len(weights)):
        part = np.empty((len(x), LANES), np.float32)
        _multiply(weights[tile], grid[tile], levels, scales, sums, part)
        first = tile * LANES
        for row in range(len(x)):
            for d in range(LANES):
                out[row, first + d] = narrowed(part[row, d] + (bias[first + d] if len(bias) else np.float32(0.0)))


@compiled
def add_product(x, norm, eps, weights, grid, bias, stream):
    """``stream`` float32 [rows, outputs] += what ``product`` gives."""
    levels, scales, sums = _levels(x, norm, eps)
    for tile in prange(len(weights)):
        part = np.empty((len(x), LANES), np.float32)
        _multiply(weights[tile], grid[tile], levels, scales, sums, part)
        first = tile * LANES
        for row in range(len(x)):
            for d in range(LANES):
                stream[row, first + d] += part[row, d] + (bias[first + d] if len(bias) else np.float32(0.0))


@njit(fastmath=True, nogil=True, error_model="numpy")
def _multiply(weights, grid, levels, scales, sums, part):
    rows, size, groups = len(levels), levels.shape[1], scales.shape[1]
    row, w, g = 0, weights.ctypes.data, grid.ctypes.data
    while row < rows:
        of, s, t, out = levels[row].ctypes.data, scales[row].ctypes.data, sums[row].ctypes.data, part[row].ctypes.data
        left = rows - row
        if left >= 8:
            _tile_8(w, g, of, size, s, t, groups, out)
            row += 8
        elif left >= 4:
            _tile_4(w, g, of, size, s, t, groups, out)
            row += 4
        elif left >= 2:
            _tile_2(w, g, of, size, s, t, groups, out)
            row += 2
        else:
            _tile_1(w, g, of, size, s, t, groups, out)
            row += 1


@compiled
def _levels(x, norm, eps):
    """Levels int8 [rows, size]; what one level stands for, and the sum of a group's numbers, float32 [rows, groups]."""
    rows, size = x.shape
    levels = np.empty((rows, size), np.int8)
    scales, sums = np.empty((rows, size // GROUP), np.float32), np.empty((rows, size // GROUP), np.float32)
    if x.size <= FEW:
        for row in range(rows):
            _row_levels(x[row], norm, eps, levels[row], scales[row], sums[row])
    else:
        for row in prange(rows):
            _row_levels(x[row], norm, eps, levels[row], scales[row], sums[row])
    return levels, scales, sums


@njit(fastmath=True, nogil=True, error_model="numpy")
def normed(x, norm, eps):
    """A row in float32; with ``norm``, over its root mean square and times that."""
    numbers = np.empty(len(x), np.float32)
    for d in range(len(x)):
        numbers[d] = number(x[d])
    if len(norm):
        squares = np.float32(0.0)
        for d in range(len(x)):
            squares += numbers[d] * numbers[d]
        scale = np.float32(1.0) / np.sqrt(squares / np.float32(len(x)) + eps)
        for d in range(len(x)):
            numbers[d] *= scale * norm[d]
    return numbers


@njit(fastmath=True, nogil=True, error_model="numpy")
def _row_levels(x, norm, eps, levels, scales, sums):
    numbers = normed(x, norm, eps)
    for group in range(len(scales)):
        first = group * GROUP
        scales[group], sums[group] = _group_levels(numbers[first : first + GROUP], levels[first : first + GROUP])


@njit(fastmath=True, nogil=True, error_model="numpy")
def _group_levels(numbers, levels):
    largest, total = size_bits(np.float32(1e-12)), np.int32(0)
    for d in range(GROUP):
        largest = max(largest, size_bits(numbers[d]))
    scale = from_bits(largest) / np.float32(LARGEST)
    inverse = np.float32(1.0) / scale
    for d in range(GROUP):
        level = np.int32(np.floor(numbers[d] * inverse + np.float32(0.5)))
        levels[d] = np.int8(level)
        total += level
    return scale, scale * np.float32(total)
