"""bfloat16 as bits, and an exponential that becomes vector instructions."""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

LOWEST = np.float32(-3.4e38)
"""Below all that is computed with. Compilers may take it that nothing is infinite."""

_I16, _I32, _F32 = ir.IntType(16), ir.IntType(32), ir.FloatType()


@intrinsic
def widened(_context, _bits):
    """The float32 of a bfloat16's bits."""

    def generate(_context, builder, _signature, args):
        return builder.bitcast(builder.shl(builder.zext(args[0], _I32), ir.Constant(_I32, 16)), _F32)

    return types.float32(types.uint16), generate


@intrinsic
def narrowed(_context, _number):
    """The bits of the bfloat16 nearest to a float32, ties to even."""

    def generate(_context, builder, _signature, args):
        bits = builder.bitcast(args[0], _I32)
        odd = builder.and_(builder.lshr(bits, ir.Constant(_I32, 16)), ir.Constant(_I32, 1))
        rounded = builder.add(builder.add(bits, ir.Constant(_I32, 0x7FFF)), odd)
        return builder.trunc(builder.lshr(rounded, ir.Constant(_I32, 16)), _I16)

    return types.uint16(types.float32), generate


@intrinsic
def size_bits(_context, _number):
    """The bits of a float32 without its sign. They rise with it, and finding the largest of integers is vectorised."""

    def generate(_context, builder, _signature, args):
        return builder.and_(builder.bitcast(args[0], _I32), ir.Constant(_I32, 0x7FFFFFFF))

    return types.int32(types.float32), generate


@intrinsic
def from_bits(_context, _bits):
    """The float32 of those bits, int32."""

    def generate(_context, builder, _signature, args):
        return builder.bitcast(args[0], _F32)

    return types.float32(types.int32), generate


@njit(fastmath=True, inline="always")
def exponential(x):
    """e to the power of ``x``, float32, to about 2e-7 of it. Between -87 and 87; below, what -87 gives.

    A power of two from the exponent bits times a polynomial for the rest, as in Cephes: without a library for vector
    functions, a call to ``exp`` keeps a loop from being vectorised.
    """
    scaled = min(max(x, np.float32(-87.0)), np.float32(87.0)) * np.float32(1.4426950408889634)
    whole = np.floor(scaled + np.float32(0.5))
    rest = (scaled - whole) * np.float32(0.6931471805599453)
    power = np.float32(1.0 / 720.0)
    for coefficient in (1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0):
        power = power * rest + np.float32(coefficient)
    return power * from_bits((np.int32(whole) + np.int32(127)) << np.int32(23))


def number(element):
    """The float32 that an element of an array stands for, bfloat16's bits or a float32."""
    raise NotImplementedError("only for compiled code")


@overload(number, inline="always")
def _number(element):
    if element is types.uint16:
        return lambda element: widened(element)
    return lambda element: element
