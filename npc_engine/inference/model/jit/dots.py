"""Products of a few float32 vectors with many rows of bfloat16, each row read once.

Rows are made float32 by one instruction for 16 numbers, which splits 32 into those in even and in odd places: so all
that is multiplied with them lies in that order, which ``place`` says.
"""

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from npc_engine.inference.model.jit import emit
from npc_engine.inference.model.jit.emit import LANES

TILE = 16
"""Rows whose products with a vector come as one vector."""

_PAIR, _BYTES, _NUMBER = 2 * LANES, 2, 4
_REGISTERS = 24
"""Of 32, those that may hold vectors and sums; the others are for what is being multiplied."""


@njit(inline="always")
def place(d, size):
    """Where number ``d`` of a vector of ``size`` lies."""
    if size % _PAIR:
        return d
    return d - d % _PAIR + d % 2 * LANES + d % _PAIR // 2


@intrinsic
def score(_context, vectors, rows, tiles, out, soon, heads, lanes):  # noqa: ARG001
    """``out[f, j] = vectors[f] . rows[j]`` for TILE times ``tiles`` rows.

    ``vectors`` float32 [fold, size], ``rows`` bfloat16's bits [.., size], ``out`` float32 [fold, ..]; rows of the first
    two lie one behind the other. ``soon`` are rows that are read next, and brought near meanwhile. ``heads`` and
    ``lanes``: tuples as long as ``fold`` and ``size / LANES``.
    """
    fold, chunks = heads.count, lanes.count
    signature = types.void(vectors, rows, types.intp, out, soon, heads, lanes)

    def generate(context, builder, signature, args):
        vectors, _ = _array(context, builder, signature.args[0], args[0])
        rows, _ = _array(context, builder, signature.args[1], args[1])
        out, apart = _array(context, builder, signature.args[3], args[3])
        tiles = args[2]
        soon, _ = _array(context, builder, signature.args[4], args[4])
        for some in _parts(fold, _REGISTERS // (chunks + emit.QUAD)):
            held = {f: _vector(builder, vectors, f, chunks) for f in some}
            with cgutils.for_range(builder, tiles) as loop:
                first = emit.at(builder, rows, loop.index, TILE * chunks * LANES * _BYTES)
                quads = {f: [] for f in some}
                if not some[0]:
                    _fetch(builder, soon, loop.index, TILE * chunks * LANES * _BYTES)
                # Four rows at a time: more sums than that don't stay in registers.
                for four in range(0, TILE, emit.QUAD):
                    sums = {f: [emit.ZEROS] * emit.QUAD for f in some}
                    for row in range(emit.QUAD):
                        for chunk, numbers in enumerate(_row(builder, first, four + row, chunks)):
                            for f in some:
                                sums[f][row] = emit.times_plus(builder, numbers, held[f][chunk], sums[f][row])
                    for f in some:
                        quads[f].append(emit.quarters_added(builder, sums[f]))
                for f in some:
                    line = emit.at(builder, out, apart, f)
                    where = emit.at(builder, line, loop.index, TILE * _NUMBER)
                    emit.store(builder, emit.totals(builder, quads[f]), where)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def gather(_context, weights, rows, sums, soon, heads, lanes):
    """``sums[f] += weights[f] @ rows``.

    ``weights`` float32 [fold, ..], ``rows`` bfloat16's bits [.., size], ``sums`` float32 [fold, size]; rows of the last
    two lie one behind the other. ``soon``, ``heads`` and ``lanes`` as for ``score``.
    """
    fold, chunks = heads.count, lanes.count
    signature = types.void(weights, rows, sums, soon, heads, lanes)

    def generate(context, builder, signature, args):
        weights, apart = _array(context, builder, signature.args[0], args[0])
        sums, _ = _array(context, builder, signature.args[2], args[2])
        count = builder.extract_value(context.make_array(signature.args[1])(context, builder, args[1]).shape, 0)
        rows, _ = _array(context, builder, signature.args[1], args[1])
        soon, _ = _array(context, builder, signature.args[3], args[3])
        for some in _parts(fold, _REGISTERS // chunks):
            totals = {
                f: [cgutils.alloca_once_value(builder, v) for v in _vector(builder, sums, f, chunks)] for f in some
            }
            lines = {f: emit.at(builder, weights, apart, f) for f in some}
            with cgutils.for_range(builder, count) as loop:
                first = emit.at(builder, rows, loop.index, chunks * LANES * _BYTES)
                if not some[0]:
                    _fetch(builder, soon, loop.index, chunks * LANES * _BYTES)
                weighed = {f: emit.everywhere(builder, lines[f], loop.index) for f in some}
                for chunk, numbers in enumerate(_row(builder, first, 0, chunks)):
                    for f in some:
                        total = totals[f][chunk]
                        more = emit.times_plus(builder, numbers, weighed[f], builder.load(total))
                        builder.store(more, total)
            for f in some:
                for chunk, total in enumerate(totals[f]):
                    emit.store(builder, builder.load(total), _place_of(builder, sums, f, chunk, chunks))
        return context.get_dummy_value()

    return signature, generate


def _array(context, builder, kind, value):
    """Where an array of two dimensions begins, and how many bytes its rows are apart."""
    array = context.make_array(kind)(context, builder, value)
    return builder.ptrtoint(array.data, emit.I64), builder.extract_value(array.strides, 0)


def _fetch(builder, begin, index, nbytes):
    """Have the processor bring piece ``index`` of so many bytes near."""
    piece = emit.at(builder, begin, index, nbytes)
    for line in range(0, nbytes, emit.LINE):
        emit.fetch(builder, builder.add(piece, emit.constant(line)))


def _parts(fold, most):
    """All vectors, in even parts of at most so many."""
    count = -(-fold // max(most, 1))
    return [range(part * fold // count, (part + 1) * fold // count) for part in range(count)]


def _vector(builder, vectors, f, chunks):
    return [
        emit.load(builder, _place_of(builder, vectors, f, chunk, chunks), emit.FLOATS, 4) for chunk in range(chunks)
    ]


def _place_of(builder, vectors, f, chunk, chunks):
    return builder.add(vectors, emit.constant((f * chunks + chunk) * LANES * _NUMBER))


def _row(builder, first, row, chunks):
    """A row's numbers, in ``place``'s order, as vectors."""
    begin = builder.add(first, emit.constant(row * chunks * LANES * _BYTES))
    places = [builder.add(begin, emit.constant(chunk * LANES * _BYTES)) for chunk in range(chunks)]
    if chunks % 2:
        return [emit.widened(builder, place) for place in places]
    return [half for place in places[::2] for half in emit.widened_apart(builder, place)]
