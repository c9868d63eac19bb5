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
from npc_engine.inference.model.jit.numbers import LOWEST
from npc_engine.inference.model.jit.unit import LINES, REGISTER_BYTES, STEP, aligned

MOST_STEPS = 4
"""Heads of up to so many times STEP numbers: their queries stay in registers."""

_LOG2_E = np.float32(1.4426950408889634)
_AT_ONCE = 2
"""Registers of keys whose scores are computed while others are loaded."""

_SUMS_AT_ONCE = 4


@compiled
def unit_attention(query, keys, values, first, shared, visible, scale, fold, parts, steps, out):
    """See ``prompt_attention``. The blocks of each KV head are shared out among so many ``parts``.

    The first ``shared`` keys, which are the same in all slots, are read where the first one has them. ``steps``: a
    tuple as long as a head has times STEP numbers.
    """
    slots, kv_heads, queries, size = query.shape
    blocks, common = -(-queries // LANES), shared // STEP * STEP
    for item in prange(kv_heads * parts):
        head, part = item // parts, item % parts
        begin, end = part * slots * blocks // parts, (part + 1) * slots * blocks // parts
        if begin == end:
            continue
        turned = aligned(-(-visible.max() // STEP) * STEP * size)
        theirs = keys[first, head, :common]
        _turn(values[first, head, :common], turned)
        before, found = -1, unit.take_registers()
        for where in range(begin, end):
            slot, block = where // blocks, where % blocks
            most = visible[slot, -1]
            if slot != before:
                _turn(values[first + slot, head, common:most], turned[common * size :])
                before = slot
            low, high = block * LANES, min((block + 1) * LANES, queries)
            seen = np.empty(LANES, np.int32)
            for i in range(LANES):
                seen[i] = visible[slot, min(low + i, high - 1) // fold]
            mine = keys[first + slot, head, common:most]
            # What is read next: while there are blocks of this slot, a part of the next one's for each of them.
            soon = min(slot + 1, slots - 1)
            ahead, until = common + block * (most - common) // blocks, common + (block + 1) * (most - common) // blocks
            soon_keys, soon_values = keys[first + soon, head, ahead:until], values[first + soon, head, ahead:until]
            sums, _, totals = _attend(
                query[slot, head, low:high], theirs, mine, turned, seen, scale, soon_keys, soon_values, steps
            )
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
        turned = aligned(-(-shared // STEP) * STEP * size)
        theirs, nothing = keys[first, head, :shared], keys[first, head, :0]
        _turn(values[first, head, :shared], turned)
        found = unit.take_registers()
        some, rows = np.zeros((LINES, size), np.uint16), np.empty((LINES, size), np.float32)
        for block in range(begin, end):
            low, high = block * LANES, min((block + 1) * LANES, slots * fold)
            for i in range(low, high):
                some[i - low] = query[i // fold, head, i % fold]
            sums, tops, totals = _attend(some, nothing, theirs, turned, seen, scale, nothing, nothing, steps)
            _turn_sums(sums, steps, rows, rows.strides[0])
            for i in range(low, high):
                row = common[i // fold, head, i % fold]
                row[:size] = rows[i - low]
                row[size], row[size + 1] = totals[i - low], tops[i - low] * scale
        unit.leave_registers(found)


@njit(fastmath=True, nogil=True, error_model="numpy")
def _turn(values, turned):
    """Fill ``turned`` with left sides [keys / STEP, size / LINES, LINES, STEP]. Behind the last are zeros."""
    count, size = values.shape
    whole = count // STEP
    _turn_values(values, values.strides[0], whole, size // LINES, turned)
    if whole * STEP < count:
        rest = np.zeros((STEP, size), np.uint16)
        rest[: count - whole * STEP] = values[whole * STEP :]
        _turn_values(rest, rest.strides[0], 1, size // LINES, turned[whole * STEP * size :])


@njit(fastmath=True, nogil=True, error_model="numpy")
def _attend(query, theirs, mine, turned, seen, scale, soon_keys, soon_values, steps):
    """Weighted sums float32 [size, LANES], in pieces of 16 bits; each query's largest score, and its weights' sum.

    Keys are ``theirs``, a multiple of STEP that all queries see, and then ``mine``. What is read ``soon`` is brought
    near meanwhile.
    """
    count, size = query.shape
    common, most, all_see = len(theirs), len(theirs) + len(mine), seen.min()
    full = query
    if count < LINES:
        full = np.zeros((LINES, size), np.uint16)
        full[:count] = query
    left = aligned(LINES * size)
    _turn_queries(full, full.strides[0], steps, left)
    # Scores, and their weights in the same place: both for whole steps.
    padded = -(-most // STEP) * STEP
    scores = aligned(padded * LANES * 2)
    tops, totals = np.full(LANES, LOWEST, np.float32), np.empty(LANES, np.float32)
    whole = len(mine) // STEP
    open_to_all = min(all_see - common, whole * STEP) // STEP
    _score(theirs, theirs.strides[0], common // STEP, common // STEP, left, steps, soon_keys[:0], scores, tops)
    if common:
        _look(scores, common // STEP - 1, common // STEP, seen, tops)
    own = scores[common * LANES * 2 :]
    _score(mine, mine.strides[0], whole, open_to_all, left, steps, soon_keys, own, tops)
    if whole * STEP < len(mine):
        rest = np.zeros((STEP, size), np.uint16)
        rest[: len(mine) - whole * STEP] = mine[whole * STEP :]
        _score(rest, rest.strides[0], 1, 0, left, steps, soon_keys[:0], own[whole * STEP * LANES * 2 :], tops)
    open_to_all += common // STEP
    _look(scores, max(open_to_all - 1, common // STEP), padded // STEP, seen, tops)
    sums = aligned(size * LANES * 2)
    scale *= _LOG2_E
    _weigh(turned, scores, open_to_all, padded // STEP, seen, scale, tops, soon_values, totals, steps, sums)
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
def _score(_context, keys, apart, count, open_to_all, queries, steps, soon, scores, tops):  # noqa: ARG001
    """Scores float32 [count * STEP, LANES] of ``count`` times STEP keys, rows ``apart`` bytes.

    Raises ``tops`` float32 [LANES] to the largest of the first ``open_to_all`` times STEP, but for the last STEP of
    them: while the unit multiplies, vectors look at what it multiplied before. What is read ``soon`` is fetched.
    """
    chunks = steps.count

    def generate(context, builder, signature, args):
        keys, apart, count, open_to_all, queries, _, _, scores, tops = emit.begins(context, builder, signature, args)
        fetch = emit.fetching(context, builder, signature.args[6], args[6], count)
        most = cgutils.alloca_once_value(builder, emit.load(builder, tops, emit.FLOATS, 4))
        for chunk in range(chunks):
            unit.load(builder, _AT_ONCE * 2 + chunk, builder.add(queries, emit.constant(chunk * REGISTER_BYTES)))

        def multiply(step):
            for which in range(_AT_ONCE):
                index = builder.add(builder.mul(step, emit.constant(_AT_ONCE)), emit.constant(which))
                line = emit.at(builder, keys, builder.mul(apart, index), LINES)
                unit.clear(builder, which)
                for chunk in range(chunks):
                    here = builder.add(line, emit.constant(chunk * unit.LINE_BYTES))
                    unit.load(builder, _AT_ONCE + which, here, apart)
                    unit.multiply_add(builder, which, _AT_ONCE + which, _AT_ONCE * 2 + chunk)
                unit.store(builder, which, emit.at(builder, scores, index, REGISTER_BYTES))

        with builder.if_then(builder.icmp_signed(">", count, emit.constant(0))):
            multiply(emit.constant(0))
            one = emit.constant(1)
            looked_at = emit.larger_integer(builder, open_to_all, one)
            with cgutils.for_range_slice(builder, one, looked_at, one, emit.I64) as (step, _):
                multiply(step)
                fetch(step)
                _raise(builder, most, _scores_of(builder, scores, builder.sub(step, one)))
            with cgutils.for_range_slice(builder, looked_at, count, one, emit.I64) as (step, _):
                multiply(step)
        emit.store(builder, builder.load(most), tops)
        return context.get_dummy_value()

    return types.void(keys, types.intp, types.intp, types.intp, queries, steps, soon, scores, tops), generate


@intrinsic
def _look(_context, scores, begin, count, seen, tops):  # noqa: ARG001
    """Raise ``tops`` to the largest scores of those keys, from ``begin`` to ``count`` times STEP, that a query sees.

    Each query sees those before its ``seen``.
    """

    def generate(context, builder, signature, args):
        scores, begin, count, seen, tops = emit.begins(context, builder, signature, args)
        most = cgutils.alloca_once_value(builder, emit.load(builder, tops, emit.FLOATS, 4))
        seen = emit.load(builder, seen, emit.INTS, 4)
        with cgutils.for_range_slice(builder, begin, count, emit.constant(1), emit.I64) as (step, _):
            _raise(builder, most, _scores_of(builder, scores, step, seen))
        emit.store(builder, builder.load(most), tops)
        return context.get_dummy_value()

    return types.void(scores, types.intp, types.intp, seen, tops), generate


@intrinsic
def _weigh(_context, turned, scores, open_to_all, count, seen, scale, tops, soon, totals, steps, sums):  # noqa: ARG001
    """Turn scores of ``count`` times STEP keys into weights, of which the largest is 1, and add up values by them.

    Weights become pairs of bfloat16 of neighbouring keys, in the place of the first half of the scores. The first
    ``open_to_all`` times STEP keys are seen by all queries; of the others each sees those before its ``seen``.
    ``totals`` float32 [LANES] are each query's weights, added up; ``sums`` float32 [size, LANES]. While vectors make
    weights, the unit multiplies by those before. What is read ``soon`` is fetched.
    """
    registers = steps.count * STEP // LINES

    def generate(context, builder, signature, args):
        turned, scores, open_to_all, count, seen, scale, tops, _, totals, _, sums = emit.begins(
            context, builder, signature, args
        )
        fetch = emit.fetching(context, builder, signature.args[7], args[7], count)
        seen = emit.load(builder, seen, emit.INTS, 4)
        scale = emit.spread(builder, scale, emit.FLOATS)
        offset = builder.fneg(builder.fmul(emit.load(builder, tops, emit.FLOATS, 4), scale))
        total = cgutils.alloca_once_value(builder, emit.ZEROS)
        one = emit.constant(1)

        def soften(step, seen=None):
            added = []
            for pair in range(STEP // 2):
                found = _scores_of(builder, scores, step, seen, slice(2 * pair, 2 * pair + 2))
                weights = [emit.power_of_two(builder, emit.times_plus(builder, each, scale, offset)) for each in found]
                added.append(builder.fadd(*weights))
                there = builder.add(_place(builder, scores, step), emit.constant(pair * unit.LINE_BYTES))
                builder.store(emit.paired(builder, *weights), builder.inttoptr(there, emit.INTS.as_pointer()), align=64)
            builder.store(builder.fadd(builder.load(total), emit.added(builder, added)), total)

        def multiply(step, low):
            unit.load(builder, _SUMS_AT_ONCE, _place(builder, scores, step))
            values = emit.at(builder, turned, step, registers * REGISTER_BYTES)
            for which in range(min(_SUMS_AT_ONCE, registers - low)):
                left = _SUMS_AT_ONCE + 1 + which % 3
                unit.load(builder, left, builder.add(values, emit.constant((low + which) * REGISTER_BYTES)))
                unit.multiply_add(builder, which, left, _SUMS_AT_ONCE)

        def begin(low):
            for which in range(min(_SUMS_AT_ONCE, registers - low)):
                unit.clear(builder, which)

        def end(low):
            for which in range(min(_SUMS_AT_ONCE, registers - low)):
                unit.store(builder, which, builder.add(sums, emit.constant((low + which) * REGISTER_BYTES)))

        begin(0)
        soften(emit.constant(0), seen)
        all_see = emit.larger_integer(builder, open_to_all, one)
        for first, last, hidden in ((one, all_see, None), (all_see, count, seen)):
            with cgutils.for_range_slice(builder, first, last, one, emit.I64) as (step, _):
                soften(step, hidden)
                fetch(step)
                multiply(builder.sub(step, one), 0)
        multiply(builder.sub(count, one), 0)
        end(0)
        for low in range(_SUMS_AT_ONCE, registers, _SUMS_AT_ONCE):
            begin(low)
            with cgutils.for_range(builder, count) as loop:
                multiply(loop.index, low)
            end(low)
        emit.store(builder, builder.load(total), totals)
        return context.get_dummy_value()

    arguments = turned, scores, types.intp, types.intp, seen, types.float32, tops, soon, totals, steps, sums
    return types.void(*arguments), generate


def _scores_of(builder, scores, step, seen=None, which=slice(STEP)):
    """Scores of those of STEP keys; of what a query does not see, before its ``seen``, the lowest there is."""
    found = []
    for key in range(STEP)[which]:
        line = builder.add(_place(builder, scores, step), emit.constant(key * unit.LINE_BYTES))
        score = emit.load(builder, line, emit.FLOATS, 64)
        if seen is not None:
            place = builder.add(builder.mul(step, emit.constant(STEP)), emit.constant(key))
            place = emit.spread(builder, builder.trunc(place, emit.I32), emit.INTS)
            score = builder.select(builder.icmp_signed("<", place, seen), score, emit.floats(float(LOWEST)))
        found.append(score)
    return found


def _place(builder, scores, step):
    """Where the scores of a step begin, and then its weights."""
    return emit.at(builder, scores, step, STEP * unit.LINE_BYTES)


def _raise(builder, most, scores):
    """Raise what is stored at ``most`` to the largest of ``scores``."""
    while len(scores) > 1:
        scores = [emit.larger(builder, *scores[i : i + 2]) for i in range(0, len(scores), 2)]
    builder.store(emit.larger(builder, builder.load(most), *scores), most)


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
