"""Products with weights of four bits by the processor's unit for matrices.

Weights lie as ``grid`` packs them. Those of a few outputs are unpacked to bfloat16 at a time, which stay in the
processor's cache while they are multiplied with all rows: memory gives four bits, and the unit is never kept waiting.
Unpacked weights are those of the file, and activations stay bfloat16.
"""

import numpy as np
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from npc_engine.inference.model.jit import emit, unit
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.grid import FEW, GROUP, TILE_BYTES, TILE_NUMBERS, normed
from npc_engine.inference.model.jit.kept import compiled
from npc_engine.inference.model.jit.numbers import narrowed
from npc_engine.inference.model.jit.unit import LINE_BYTES, LINES, REGISTER_BYTES

_WIDE = 2
"""Registers of outputs, and of rows, that are multiplied with each other while they are loaded."""

_AT_ONCE = 3
"""So many times two registers of outputs are one piece of work: it makes room for what it computes with once."""

_LOADS, _NIBBLES, _BITS = 4, 8, 4


def _block(rows, outputs):
    """An intrinsic for so many registers of ``rows`` and of ``outputs``.

    What begins with rows bfloat16 [rows, steps, LINES, GROUP]; unpacked weights [outputs, steps, GROUP / 2, LANES, 2];
    what begins with the product float32 [rows * LINES, outputs * LANES].
    """
    sums = [[row * outputs + column for column in range(outputs)] for row in range(rows)]
    left, right = rows * outputs, rows * outputs + rows

    @intrinsic
    def block(_context, x, weights, steps, product):  # noqa: ARG001
        def generate(context, builder, signature, args):
            x, weights, steps, product = emit.begins(context, builder, signature, args)
            strip = builder.mul(steps, emit.constant(REGISTER_BYTES))
            lines = [emit.at(builder, x, strip, row) for row in range(rows)]
            strips = [emit.at(builder, weights, strip, column) for column in range(outputs)]
            for register in (register for row in sums for register in row):
                unit.clear(builder, register)
            with cgutils.for_range(builder, steps) as loop:
                for column in range(outputs):
                    there = emit.at(builder, strips[column], loop.index, REGISTER_BYTES)
                    unit.load(builder, right + column, there)
                for row in range(rows):
                    here = emit.at(builder, lines[row], loop.index, REGISTER_BYTES)
                    unit.load(builder, left + row, here)
                    for column in range(outputs):
                        unit.multiply_add(builder, sums[row][column], left + row, right + column)
            for row in range(rows):
                for column in range(outputs):
                    where = (row * LINES * outputs + column) * LINE_BYTES
                    where = builder.add(product, emit.constant(where))
                    unit.store(builder, sums[row][column], where, outputs * LINE_BYTES)
            return context.get_dummy_value()

        return types.void(x, weights, types.intp, product), generate

    return block


_block_1_1, _block_1_2, _block_2_1, _block_2_2 = (
    _block(rows, outputs) for rows in range(1, _WIDE + 1) for outputs in range(1, _WIDE + 1)
)


@intrinsic
def _unpack(_context, weights, grid, groups, unpacked):  # noqa: ARG001
    """Weights of LANES outputs as the unit takes them: a line of pairs of neighbouring inputs for each two inputs.

    ``groups`` times TILE_BYTES and TILE_NUMBERS as ``grid`` packs them; bfloat16 [groups, GROUP / 2, LANES, 2].
    """

    def generate(context, builder, signature, args):
        weights, grid, groups, unpacked = emit.begins(context, builder, signature, args)
        with cgutils.for_range(builder, groups) as loop:
            numbers = emit.at(builder, grid, loop.index, 2 * TILE_NUMBERS)
            # What comes next lies behind.
            ahead = builder.add(loop.index, groups)
            emit.fetch(builder, emit.at(builder, grid, ahead, 2 * TILE_NUMBERS))
            for line in range(0, TILE_BYTES, emit.LINE):
                there = emit.at(builder, weights, ahead, TILE_BYTES)
                emit.fetch(builder, builder.add(there, emit.constant(line)))
            scale = emit.widened(builder, numbers)
            low = emit.widened(builder, builder.add(numbers, emit.constant(2 * LANES)))
            # A level in the upper bits of a number's fraction makes 128 and the level of it.
            low = emit.times_plus(builder, scale, emit.floats(-128.0), low)
            for load in range(_LOADS):
                place = builder.add(emit.at(builder, weights, loop.index, TILE_BYTES), emit.constant(64 * load))
                packed = emit.load(builder, place, emit.INTS, 64)
                levels = [_levels(builder, packed, nibble) for nibble in range(_NIBBLES)]
                found = [emit.times_plus(builder, each, scale, low) for each in levels]
                # Bits 0 to 3 of four bytes are neighbours, and so are bits 4 to 7, half a group on.
                for half in range(2):
                    for pair in range(2):
                        first = 4 * pair + half
                        line = half * GROUP // 4 + 2 * load + pair
                        where = emit.at(builder, unpacked, loop.index, REGISTER_BYTES)
                        where = builder.add(where, emit.constant(line * LINE_BYTES))
                        pairs = emit.paired(builder, found[first], found[first + 2])
                        builder.store(pairs, builder.inttoptr(where, emit.INTS.as_pointer()), align=64)
        return context.get_dummy_value()

    return types.void(weights, grid, types.intp, unpacked), generate


def _levels(builder, packed, nibble):
    """128 and the level in those bits of each of 16 numbers, as float32."""
    to_where = 16 - _BITS * nibble
    moved = packed
    if to_where > 0:
        moved = builder.shl(packed, emit.ints(to_where))
    elif to_where < 0:
        moved = builder.lshr(packed, emit.ints(-to_where))
    level = builder.and_(moved, emit.ints(0x000F0000))
    return builder.bitcast(builder.or_(level, emit.ints(0x43000000)), emit.FLOATS)


def _delivery(deliver):
    """An intrinsic that brings ``part`` float32 [rows, width] where it belongs, with ``bias`` [width] added.

    ``deliver`` says how, for LANES numbers. Rows of ``target`` are ``apart`` bytes.
    """

    @intrinsic
    def delivery(_context, part, bias, rows, width, target, apart):  # noqa: ARG001
        def generate(context, builder, signature, args):
            part, bias, rows, width, target, apart = emit.begins(context, builder, signature, args)
            with cgutils.for_range(builder, rows) as over_rows:
                line = emit.at(builder, part, builder.mul(width, over_rows.index), 4)
                there = builder.add(target, builder.mul(apart, over_rows.index))
                with cgutils.for_range(builder, builder.udiv(width, emit.constant(LANES))) as along:
                    offset = builder.mul(along.index, emit.constant(4 * LANES))
                    numbers, more = (
                        emit.load(builder, builder.add(begin, offset), emit.FLOATS, 4) for begin in (line, bias)
                    )
                    deliver(builder, builder.fadd(numbers, more), there, along.index)
            return context.get_dummy_value()

        return types.void(part, bias, types.intp, types.intp, target, types.intp), generate

    return delivery


def _as_bits(builder, numbers, line, index):
    where = emit.at(builder, line, index, 2 * LANES)
    builder.store(emit.narrowed(builder, numbers), builder.inttoptr(where, emit.HALVES.as_pointer()), align=2)


def _on_top(builder, numbers, line, index):
    where = emit.at(builder, line, index, 4 * LANES)
    emit.store(builder, builder.fadd(emit.load(builder, where, emit.FLOATS, 4), numbers), where)


_write, _add = _delivery(_as_bits), _delivery(_on_top)


@intrinsic
def _gate(_context, part, bias, rows, width, target, apart):  # noqa: ARG001
    """Of ``part`` float32 [rows, 2 * LANES] silu(left half) * right half, as bfloat16; rows ``apart`` bytes."""

    def generate(context, builder, signature, args):
        part, _, rows, _, target, apart = emit.begins(context, builder, signature, args)
        with cgutils.for_range(builder, rows) as loop:
            line = emit.at(builder, part, loop.index, 2 * 4 * LANES)
            left = emit.load(builder, line, emit.FLOATS, 4)
            right = emit.load(builder, builder.add(line, emit.constant(4 * LANES)), emit.FLOATS, 4)
            gated = builder.fmul(builder.fmul(left, emit.logistic(builder, left)), right)
            there = builder.add(target, builder.mul(apart, loop.index))
            _as_bits(builder, gated, there, emit.constant(0))
        return context.get_dummy_value()

    return types.void(part, bias, types.intp, types.intp, target, types.intp), generate


def _kernel(name, deliver, *, across):
    """A kernel that multiplies two registers of outputs at a time and has ``deliver`` bring them where they belong.

    They are neighbours, or with ``across`` as far apart as the two halves of all outputs.
    """

    def kernel(x, norm, eps, weights, grid, bias, out):
        rows, added = _rows(x, norm, eps), bias if len(bias) else np.zeros(len(weights) * LANES, np.float32)
        near, far = (1, len(weights) // 2) if across else (_WIDE, 1)
        pieces = len(weights) // 2 if across else -(-len(weights) // _WIDE)
        shares, strip = -(-pieces // _AT_ONCE), weights.shape[1] * GROUP * LANES
        for share in prange(shares):
            unpacked, room = unit.aligned(_WIDE * strip), np.empty(len(rows) * LINES * _WIDE * LANES, np.float32)
            found = unit.take_registers()
            for piece in range(share * _AT_ONCE, min((share + 1) * _AT_ONCE, pieces)):
                first = piece * near
                theirs = weights[first::far][:_WIDE]
                width = len(theirs) * LANES
                part = room[: len(rows) * LINES * width].reshape(-1, width)
                _multiply(theirs, grid[first::far][:_WIDE], rows, unpacked, part)
                where = first * LANES
                deliver(part, added[where:], len(x), width, out[:, where:], out.strides[0])
            unit.leave_registers(found)

    # The name is in that of the compiled code, and two of the same name would be taken for each other when loaded.
    kernel.__name__ = kernel.__qualname__ = name
    return compiled(kernel)


product = _kernel("product", _write, across=False)
"""See ``grid.product``."""

add_product = _kernel("add_product", _add, across=False)
"""See ``grid.add_product``."""

gated_product = _kernel("gated_product", _gate, across=True)
"""silu of the left half of what ``product`` gives, times its right half. It has no bias."""


@njit(fastmath=True, nogil=True, error_model="numpy")
def _multiply(weights, grid, rows, unpacked, part):
    """Fill ``part`` float32 with ``rows``, as ``_rows`` gives them, by the weights of one or two registers of outputs.

    ``unpacked``: room for the weights in bfloat16.
    """
    tiles, groups = weights.shape[:2]
    strip = groups * GROUP * LANES
    for tile in range(tiles):
        _unpack(weights[tile], grid[tile], groups, unpacked[tile * strip :])
    row = 0
    while row < len(rows):
        x, out = rows[row], part[row * LINES]
        if row + 1 < len(rows):
            if tiles > 1:
                _block_2_2(x, unpacked, groups, out)
            else:
                _block_2_1(x, unpacked, groups, out)
        elif tiles > 1:
            _block_1_2(x, unpacked, groups, out)
        else:
            _block_1_1(x, unpacked, groups, out)
        row += 2


@compiled
def _rows(x, norm, eps):
    """Rows as bfloat16's bits, normed, in whole registers [.., size / GROUP, LINES, GROUP].

    What is in rows behind the last has no meaning.
    """
    full, steps = -(-len(x) // LINES), x.shape[1] // GROUP
    rows = unit.aligned(full * LINES * x.shape[1]).reshape(full, steps, LINES, GROUP)
    if x.size <= FEW:
        for row in range(len(x)):
            _row(x[row], norm, eps, rows[row // LINES, :, row % LINES])
    else:
        for row in prange(len(x)):
            _row(x[row], norm, eps, rows[row // LINES, :, row % LINES])
    return rows


@njit(fastmath=True, nogil=True, error_model="numpy")
def _row(x, norm, eps, out):
    numbers = normed(x, norm, eps)
    for step in range(len(out)):
        for d in range(GROUP):
            out[step, d] = narrowed(numbers[step * GROUP + d])
