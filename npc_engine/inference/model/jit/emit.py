"""What intrinsics emit: vectors of 16 numbers, and how they are loaded, multiplied, added up."""

from llvmlite import ir
from numba.core import cgutils, types

LANES = 16
I8, I16, I32, I64, F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
INTS, FLOATS, HALVES = (ir.VectorType(of, LANES) for of in (I32, F32, I16))
ZEROS = ir.Constant(FLOATS, [0.0] * LANES)

LINE = 64
"""Bytes that a processor brings near at once."""

_POWER = (0.07802411, 0.2260679, 0.69583317, 0.99992526)
"""A polynomial of 2 to the power of x, for x from 0 to 1, its highest power first: to 8e-5 of it."""
_LOG2_E = 1.4426950408889634
_ABOVE_WHOLE, _ALL_LANES, _AS_SET = 9, 0xFFFF, 4

QUAD = 4
"""Numbers of a vector's quarter, within which the processor moves them cheaply."""


def begins(context, builder, signature, args):
    """The arguments of an intrinsic: of arrays, where they begin.

    Give intrinsics arrays, not addresses: numba lets go of an array after it was last mentioned.
    """
    return [
        builder.ptrtoint(context.make_array(kind)(context, builder, arg).data, I64)
        if isinstance(kind, types.Array)
        else arg
        for kind, arg in zip(signature.args, args, strict=True)
    ]


def constant(value):
    """An index or a size."""
    return ir.Constant(I64, value)


def at(builder, base, index, nbytes):
    """The address of element ``index`` of those that begin at ``base`` and have ``nbytes`` each."""
    return builder.add(base, builder.mul(index, constant(nbytes)))


def load(builder, address, of, align):
    """What lies at an address, of type ``of``."""
    return builder.load(builder.inttoptr(address, of.as_pointer()), align=align)


def store(builder, vector, address):
    """Put 16 float32 there."""
    builder.store(vector, builder.inttoptr(address, FLOATS.as_pointer()), align=4)


def spread(builder, value, vector):
    """A vector of type ``vector`` with ``value`` in all places."""
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), ir.Constant(INTS, [0] * LANES))


def call(builder, name, vector, *args):
    """What LLVM's intrinsic ``name`` makes of vectors."""
    kind = ir.FunctionType(vector, [vector] * len(args))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def fetch(builder, address):
    """Have the processor bring the LINE there near, which is needed soon."""
    kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    how = [ir.Constant(I32, value) for value in (0, 2, 1)]  # for reading, into the second cache, data
    builder.call(prefetch, [builder.inttoptr(address, I8.as_pointer()), *how])


def fetching(context, builder, kind, array, times):
    """A function that emits fetching a part of ``array``, rows that lie one after another, each of so many times."""
    rows = context.make_array(kind)(context, builder, array)
    begin, [count, size] = builder.ptrtoint(rows.data, I64), cgutils.unpack_tuple(builder, rows.shape)
    nbytes = builder.mul(builder.mul(count, size), constant(kind.dtype.bitwidth // 8))
    lines = builder.udiv(nbytes, constant(LINE))
    least = builder.select(builder.icmp_signed(">", times, constant(1)), times, constant(1))

    def fetch_part(index):
        first, end = (
            builder.udiv(builder.mul(lines, place), least) for place in (index, builder.add(index, constant(1)))
        )
        with cgutils.for_range_slice(builder, first, end, constant(1), I64) as (line, _):
            fetch(builder, at(builder, begin, line, LINE))

    return fetch_part


def times_plus(builder, left, right, so_far):
    """``left * right + so_far``, in one instruction where there is one."""
    return call(builder, "llvm.fmuladd.v16f32", FLOATS, left, right, so_far)


def widened(builder, address):
    """16 numbers of bfloat16 as float32."""
    bits = builder.zext(load(builder, address, HALVES, 2), INTS)
    return builder.bitcast(builder.shl(bits, ints(16)), FLOATS)


def narrowed(builder, numbers):
    """16 float32 as the nearest bfloat16, ties to even."""
    bits = builder.bitcast(numbers, INTS)
    odd = builder.and_(builder.lshr(bits, ints(16)), ints(1))
    return builder.trunc(builder.lshr(builder.add(builder.add(bits, ints(0x7FFF)), odd), ints(16)), HALVES)


def widened_apart(builder, address):
    """32 numbers of bfloat16 as float32: those in even places, and those in odd ones. One instruction for each."""
    pairs = load(builder, address, INTS, 2)
    even, odd = builder.shl(pairs, ints(16)), builder.and_(pairs, ints(0xFFFF0000))
    return builder.bitcast(even, FLOATS), builder.bitcast(odd, FLOATS)


def everywhere(builder, base, index):
    """Number ``index`` of those float32 that begin at ``base``, in all places."""
    return spread(builder, load(builder, at(builder, base, index, 4), F32, 4), FLOATS)


def totals(builder, quads):
    """The sums over each of 16 vectors, as one vector, from four times what ``quarters_added`` gives."""
    halves = [
        _added(builder, left, right, [0, 1, 4, 5], [2, 3, 6, 7], QUAD)
        for left, right in ((quads[0], quads[1]), (quads[2], quads[3]))
    ]
    return _added(builder, *halves, [0, 2, 4, 6], [1, 3, 5, 7], QUAD)


def quarters_added(builder, four):
    """The quarters of four vectors, each added up: number ``i`` of a quarter is that of vector ``i``."""
    pairs = [_mixed(builder, *two, [0, 4, 1, 5], [2, 6, 3, 7]) for two in (four[:2], four[2:])]
    return _mixed(builder, *pairs, [0, 1, 4, 5], [2, 3, 6, 7])


def _mixed(builder, left, right, one, other):
    """Two choices from a quarter of ``left`` and that of ``right``, 0 to 3 and 4 to 7, added; for all quarters."""
    whole = [[q + i % QUAD + i // QUAD * LANES for q in range(0, LANES, QUAD) for i in part] for part in (one, other)]
    return _added(builder, left, right, *whole, 1)


def _added(builder, left, right, one, other, width):
    """Two choices from ``left`` and ``right``, in pieces of ``width``, added."""
    parts = [
        builder.shuffle_vector(left, right, ir.Constant(INTS, [i * width + d for i in part for d in range(width)]))
        for part in (one, other)
    ]
    return builder.fadd(*parts)


def ints(value):
    """A vector with the integer ``value`` in all places."""
    return ir.Constant(INTS, [value] * LANES)


def floats(value):
    """A vector with the number ``value`` in all places."""
    return ir.Constant(FLOATS, [value] * LANES)


def paired(builder, even, odd):
    """Two times 16 float32 as 16 pairs of the nearest bfloat16, as integers. What is halfway goes up."""
    even, odd = (builder.add(builder.bitcast(each, INTS), ints(0x8000)) for each in (even, odd))
    return builder.or_(builder.lshr(even, ints(16)), builder.and_(odd, ints(0xFFFF0000)))


def power_of_two(builder, exponents):
    """2 to the power of each of 16 float32 of up to 0, as good as bfloat16 can tell it apart; far below 0, nothing."""
    rest = _masked(builder, "reduce", exponents, ir.Constant(I32, _ABOVE_WHOLE))
    power = floats(_POWER[0])
    for coefficient in _POWER[1:]:
        power = times_plus(builder, power, rest, floats(coefficient))
    return _masked(builder, "scalef", power, exponents)


def logistic(builder, numbers):
    """1 over 1 plus e to the power of minus each of 16 float32, as good as bfloat16 can tell it apart."""
    negative = builder.fcmp_ordered("<", numbers, ZEROS)
    below = builder.select(negative, numbers, builder.fneg(numbers))
    power = power_of_two(builder, builder.fmul(below, floats(_LOG2_E)))
    above = builder.select(negative, power, floats(1.0))
    return builder.fmul(above, _reciprocal(builder, builder.fadd(power, floats(1.0))))


def larger(builder, left, right):
    """The larger of each two, in one instruction: what LLVM calls the maximum asks whether they are numbers."""
    return builder.select(builder.fcmp_ordered(">", left, right), left, right)


def larger_integer(builder, left, right):
    """The larger of two indices."""
    return builder.select(builder.icmp_signed(">", left, right), left, right)


def added(builder, vectors):
    """The sum of vectors, a power of two of them, in few steps that wait for each other."""
    while len(vectors) > 1:
        vectors = [builder.fadd(*vectors[i : i + 2]) for i in range(0, len(vectors), 2)]
    return vectors[0]


def _reciprocal(builder, numbers):
    """1 over each of 16 float32, to 14 bits."""
    kind = ir.FunctionType(FLOATS, [FLOATS, FLOATS, I16])
    reciprocal = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.rcp14.ps.512")
    return builder.call(reciprocal, [numbers, ZEROS, ir.Constant(I16, _ALL_LANES)])


def _masked(builder, name, left, right):
    """What AVX-512's instruction makes of all lanes."""
    kind = ir.FunctionType(FLOATS, [FLOATS, right.type, FLOATS, I16, I32])
    instruction = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.avx512.mask.{name}.ps.512")
    return builder.call(instruction, [left, right, ZEROS, ir.Constant(I16, _ALL_LANES), ir.Constant(I32, _AS_SET)])


def transposed(builder, rows):
    """16 vectors as 16 others: number ``i`` of vector ``j`` is number ``j`` of vector ``i``."""
    rows, apart = list(rows), LANES // 2
    while apart:
        for i in (i for i in range(LANES) if not i & apart):
            left, right = rows[i], rows[i + apart]
            low = [lane if not lane & apart else LANES + lane - apart for lane in range(LANES)]
            high = [lane + apart if not lane & apart else LANES + lane for lane in range(LANES)]
            rows[i], rows[i + apart] = (
                builder.shuffle_vector(left, right, ir.Constant(INTS, which)) for which in (low, high)
            )
        apart //= 2
    return rows
