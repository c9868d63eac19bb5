"""Attention of many queries to the same keys by the processor's unit for matrices: of prompts, and of a batch to what
it shares.

A *block* is 16 queries of one KV head, side by side in vectors: keys are multiplied as they lie, and
nothing is ever added up across a vector. Only values are turned, once for all blocks of a piece of work.
"""

import numpy as np
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from npc_engine.inference.model.jit import emit, unit
from npc_engine.inference.model.jit.emit import LANES
from npc_engine.inference.model.jit.kept import compiled
from npc_engine.inference.model.jit.unit import LINES, REGISTER_BYTES, STEP, aligned

MOST_STEPS = 4
"""Heads of up to so many times STEP numbers: their queries stay in registers."""

_LOG2_E = np.float32(1.4426950408889634)
_AT_ONCE = 2
"""Registers of keys whose scores are computed while others are loaded."""

_SUMS_AT_ONCE = 4


@compiled
def unit_attention(query, keys, values, first, visible, scale, fold, parts, steps, out):
    """See ``prompt_attention``. The blocks of each KV head are shared out among so many ``parts``.

    ``steps``: a tuple as long as a head has times STEP numbers.
    """
    slots, kv_heads, queries, size = query.shape
    blocks = -(-queries // LANES)
    for item in prange(slots * kv_heads * parts):
        slot, head, part = item // (kv_heads * parts), item // parts % kv_heads, item % parts
        begin, end = part * blocks // parts, (part + 1) * blocks // parts
        if begin == end:
            continue
        most = 0
        for i in range(begin * LANES // fold, min(end * LANES - 1, queries - 1) // fold + 1):
            most = max(most, visible[slot, i])
        where = first + slot, head
        turned = _turned(values[where], most)
        found = unit.take_registers()
        for block in range(begin, end):
            low, high = block * LANES, min((block + 1) * LANES, queries)
            seen = np.empty(LANES, np.int32)
            for i in range(LANES):
                seen[i] = visible[slot, min(low + i, high - 1) // fold]
            sums, _, totals = _attend(query[slot, head, low:high], keys[where], turned, seen, scale, steps)
            whole = np.empty((LINES, size), np.uint16)
            _deliver(sums, totals, steps, whole, whole.strides[0])
            out[slot, head, low:high] = whole[: high - low]
        unit.leave_registers(found)


@compiled
def shared_unit_attention(query, keys, values, first, shared, scale, parts, steps, common):
    """See ``decode_attention.shared_attention``. The queries of each KV head are shared out among ``parts``."""
    slots, kv_heads, fold, size = query.shape
    blocks = -(-slots * fold // LANES)
    seen = np.full(LANES, shared, np.int32)
    for item in prange(kv_heads * parts):
        head, part = item // parts, item % parts
        begin, end = part * blocks // parts, (part + 1) * blocks // parts
        if begin == end:
            continue
        turned, found = _turned(values[first, head], shared), unit.take_registers()
        some, rows = np.zeros((LINES, size), np.uint16), np.empty((LINES, size), np.float32)
        for block in range(begin, end):
            low, high = block * LANES, min((block + 1) * LANES, slots * fold)
            for i in range(low, high):
                some[i - low] = query[i // fold, head, i % fold]
            sums, tops, totals = _attend(some, keys[first, head], turned, seen, scale, steps)
            _turn_sums(sums, steps, rows, rows.strides[0])
            for i in range(low, high):
                row = common[i // fold, head, i % fold]
                row[:size] = rows[i - low]
                row[size], row[size + 1] = totals[i - low], tops[i - low] * scale
        unit.leave_registers(found)


@njit(fastmath=True, nogil=True, error_model="numpy")
def _turned(values, most):
    """``values[:most]`` as left sides, uint16 [keys / STEP, size / LINES, LINES, STEP]. Behind the last are zeros."""
    size, whole = values.shape[1], most // STEP
    steps = -(-most // STEP)
    turned = aligned(steps * STEP * size)
    _turn_values(values, values.strides[0], whole, size // LINES, turned)
    if whole < steps:
        rest = np.zeros((STEP, size), np.uint16)
        rest[: most - whole * STEP] = values[whole * STEP : most]
        _turn_values(rest, rest.strides[0], 1, size // LINES, turned[whole * STEP * size :])
    return turned


@njit(fastmath=True, nogil=True, error_model="numpy")
def _attend(query, keys, turned, seen, scale, steps):
    """Weighted sums float32 [size, LANES], in pieces of 16 bits; each query's largest score, and its weights' sum."""
    count, size = query.shape
    most, all_see = seen.max(), seen.min()
    full = query
    if count < LINES:
        full = np.zeros((LINES, size), np.uint16)
        full[:count] = query
    left = aligned(LINES * size)
    _turn_queries(full, full.strides[0], steps, left)
    # Scores, and their weights in the same place: both for whole steps.
    padded = -(-most // STEP) * STEP
    scores = aligned(padded * LANES * 2)
    whole = most // (_AT_ONCE * LINES) * _AT_ONCE * LINES
    _score(keys, keys.strides[0], whole, left, steps, scores)
    if whole < most:
        rest = np.zeros((_AT_ONCE * LINES, size), np.uint16)
        rest[: most - whole] = keys[whole:most]
        _score(rest, rest.strides[0], _AT_ONCE * LINES, left, steps, scores[whole * LANES * 2 :])
    tops, totals = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    _soften(scores, all_see, padded, seen, tops, totals, scale * _LOG2_E)
    sums = aligned(size * LANES * 2)
    _weigh(turned, scores, padded // STEP, steps, sums)
    return sums, tops, totals


@intrinsic
def _turn_values(_context, values, apart, steps, registers, turned):  # noqa: ARG001
    """Fill ``turned`` as ``_turned`` says from bfloat16 [steps * STEP, registers * LINES], rows ``apart`` bytes."""

    def generate(context, builder, signature, args):
        values, apart, steps, registers, turned = emit.begins(context, builder, signature, args)
        with cgutils.for_range(builder, steps) as over_steps, cgutils.for_range(builder, registers) as along:
            begin = emit.at(builder, values, builder.mul(apart, over_steps.index), STEP)
            begin = emit.at(builder, begin, along.index, 2 * LINES)
            pairs = []
            for pair in range(LANES):
                even, odd = (
                    builder.zext(
                        emit.load(builder, emit.at(builder, begin, apart, 2 * pair + which), emit.HALVES, 2), emit.INTS
                    )
                    for which in range(2)
                )
                pairs.append(builder.or_(even, builder.shl(odd, emit.ints(16))))
            which = builder.add(builder.mul(over_steps.index, registers), along.index)
            _put_register(builder, emit.transposed(builder, pairs), emit.at(builder, turned, which, REGISTER_BYTES))
        return context.get_dummy_value()

    return types.void(values, types.intp, types.intp, types.intp, turned), generate


@intrinsic
def _turn_queries(_context, queries, apart, steps, turned):  # noqa: ARG001
    """Right sides [steps, STEP / 2, LINES, 2] of bfloat16 [LINES, steps * STEP], rows ``apart`` bytes."""
    count = steps.count

    def generate(context, builder, signature, args):
        queries, apart, _, turned = emit.begins(context, builder, signature, args)
        for step in range(count):
            begin = builder.add(queries, emit.constant(step * unit.LINE_BYTES))
            rows = [emit.load(builder, emit.at(builder, begin, apart, row), emit.INTS, 2) for row in range(LINES)]
            there = builder.add(turned, emit.constant(step * REGISTER_BYTES))
            _put_register(builder, emit.transposed(builder, rows), there)
        return context.get_dummy_value()

    return types.void(queries, types.intp, steps, turned), generate


@intrinsic
def _score(_context, keys, apart, count, queries, steps, scores):  # noqa: ARG001
    """Scores float32 [count, LANES] of ``count`` keys, a multiple of _AT_ONCE * LINES, rows ``apart`` bytes."""
    chunks = steps.count

    def generate(context, builder, signature, args):
        keys, apart, count, queries, _, scores = emit.begins(context, builder, signature, args)
        for chunk in range(chunks):
            unit.load(builder, _AT_ONCE * 2 + chunk, builder.add(queries, emit.constant(chunk * REGISTER_BYTES)))
        with cgutils.for_range(builder, builder.udiv(count, emit.constant(_AT_ONCE * LINES))) as loop:
            for which in range(_AT_ONCE):
                index = builder.add(builder.mul(loop.index, emit.constant(_AT_ONCE)), emit.constant(which))
                line = emit.at(builder, keys, builder.mul(apart, index), LINES)
                unit.clear(builder, which)
                for chunk in range(chunks):
                    here = builder.add(line, emit.constant(chunk * unit.LINE_BYTES))
                    unit.load(builder, _AT_ONCE + which, here, apart)
                    unit.multiply_add(builder, which, _AT_ONCE + which, _AT_ONCE * 2 + chunk)
                unit.store(builder, which, emit.at(builder, scores, index, REGISTER_BYTES))
        return context.get_dummy_value()

    return types.void(keys, types.intp, types.intp, queries, steps, scores), generate


@intrinsic
def _soften(_context, scores, all_see, count, seen, tops, totals, scale):  # noqa: ARG001
    """Turn ``count`` keys' scores, an even number, into weights. Each query's largest score, and its weights' sum.

    Weights become pairs of bfloat16 of neighbouring keys, in the place of the first half of the scores. The first
    ``all_see`` keys are seen by all queries; of the others each sees those before its ``seen``. ``scale`` float32.
    """

    def generate(context, builder, signature, args):
        scores, all_see, count, seen, tops, totals, scale = emit.begins(context, builder, signature, args)
        most = cgutils.alloca_once_value(builder, emit.floats(-3e38))
        total = cgutils.alloca_once_value(builder, emit.ZEROS)
        seen = emit.load(builder, seen, emit.INTS, 4)
        scale = emit.spread(builder, scale, emit.FLOATS)
        pairs_all_see = builder.udiv(all_see, emit.constant(2))

        def score(key, hidden):
            found = emit.load(builder, emit.at(builder, scores, key, 4 * LANES), emit.FLOATS, 64)
            if not hidden:
                return found
            place = emit.spread(builder, builder.trunc(key, emit.I32), emit.INTS)
            return builder.select(builder.icmp_signed("<", place, seen), found, emit.floats(-3e38))

        def both(pair, hidden):
            first = builder.mul(pair, emit.constant(2))
            return [score(builder.add(first, emit.constant(which)), hidden) for which in range(2)]

        def look(pair, hidden):
            largest = emit.call(builder, "llvm.maxnum.v16f32", emit.FLOATS, *both(pair, hidden))
            builder.store(emit.call(builder, "llvm.maxnum.v16f32", emit.FLOATS, builder.load(most), largest), most)

        def weigh(pair, hidden, offset):
            weights = [
                emit.power_of_two(builder, emit.times_plus(builder, each, scale, offset)) for each in both(pair, hidden)
            ]
            builder.store(builder.fadd(builder.load(total), builder.fadd(*weights)), total)
            there = emit.at(builder, scores, pair, 4 * LANES)
            builder.store(emit.paired(builder, *weights), builder.inttoptr(there, emit.INTS.as_pointer()), align=64)

        end = builder.udiv(count, emit.constant(2))
        with cgutils.for_range(builder, pairs_all_see) as loop:
            look(loop.index, hidden=False)
        with cgutils.for_range_slice(builder, pairs_all_see, end, emit.constant(1), emit.I64) as (pair, _):
            look(pair, hidden=True)
        offset = builder.fneg(builder.fmul(builder.load(most), scale))
        with cgutils.for_range(builder, pairs_all_see) as loop:
            weigh(loop.index, False, offset)
        with cgutils.for_range_slice(builder, pairs_all_see, end, emit.constant(1), emit.I64) as (pair, _):
            weigh(pair, True, offset)
        emit.store(builder, builder.load(most), tops)
        emit.store(builder, builder.load(total), totals)
        return context.get_dummy_value()

    return types.void(scores, types.intp, types.intp, seen, tops, totals, types.float32), generate


@intrinsic
def _weigh(_context, turned, weights, count, steps, sums):  # noqa: ARG001
    """Sums float32 [size, LANES] of ``count`` times STEP values by their weights."""
    registers = steps.count * STEP // LINES

    def generate(context, builder, signature, args):
        turned, weights, count, _, sums = emit.begins(context, builder, signature, args)
        for low in range(0, registers, _SUMS_AT_ONCE):
            some = range(min(_SUMS_AT_ONCE, registers - low))
            for which in some:
                unit.clear(builder, which)
            with cgutils.for_range(builder, count) as loop:
                unit.load(builder, _SUMS_AT_ONCE, emit.at(builder, weights, loop.index, REGISTER_BYTES))
                values = emit.at(builder, turned, loop.index, registers * REGISTER_BYTES)
                for which in some:
                    left = _SUMS_AT_ONCE + 1 + which % 3
                    unit.load(builder, left, builder.add(values, emit.constant((low + which) * REGISTER_BYTES)))
                    unit.multiply_add(builder, which, left, _SUMS_AT_ONCE)
            for which in some:
                unit.store(builder, which, builder.add(sums, emit.constant((low + which) * REGISTER_BYTES)))
        return context.get_dummy_value()

    return types.void(turned, weights, types.intp, steps, sums), generate


@intrinsic
def _deliver(_context, sums, totals, steps, out, apart):  # noqa: ARG001
    """Each query's sums over its total, as bfloat16 in its row of ``out`` [LINES, size], rows ``apart`` bytes."""
    registers = steps.count * STEP // LINES

    def generate(context, builder, signature, args):
        sums, totals, _, out, apart = emit.begins(context, builder, signature, args)
        share = builder.fdiv(emit.floats(1.0), emit.load(builder, totals, emit.FLOATS, 4))
        for register in range(registers):
            lines = _sums_of(builder, sums, register)
            for row, numbers in enumerate(emit.transposed(builder, [builder.fmul(line, share) for line in lines])):
                where = emit.at(builder, builder.add(out, emit.constant(register * 2 * LINES)), apart, row)
                builder.store(
                    emit.narrowed(builder, numbers), builder.inttoptr(where, emit.HALVES.as_pointer()), align=2
                )
        return context.get_dummy_value()

    return types.void(sums, totals, steps, out, types.intp), generate


@intrinsic
def _turn_sums(_context, sums, steps, out, apart):  # noqa: ARG001
    """Each query's sums in its row of ``out`` float32 [LINES, size], rows ``apart`` bytes."""
    registers = steps.count * STEP // LINES

    def generate(context, builder, signature, args):
        sums, _, out, apart = emit.begins(context, builder, signature, args)
        for register in range(registers):
            for row, numbers in enumerate(emit.transposed(builder, _sums_of(builder, sums, register))):
                where = emit.at(builder, builder.add(out, emit.constant(register * unit.LINE_BYTES)), apart, row)
                emit.store(builder, numbers, where)
        return context.get_dummy_value()

    return types.void(sums, steps, out, types.intp), generate


def _sums_of(builder, sums, register):
    begin = builder.add(sums, emit.constant(register * REGISTER_BYTES))
    places = [builder.add(begin, emit.constant(line * unit.LINE_BYTES)) for line in range(LINES)]
    return [emit.load(builder, place, emit.FLOATS, 64) for place in places]


def _put_register(builder, lines, address):
    for index, line in enumerate(lines):
        where = builder.add(address, emit.constant(index * unit.LINE_BYTES))
        builder.store(line, builder.inttoptr(where, emit.INTS.as_pointer()), align=64)
