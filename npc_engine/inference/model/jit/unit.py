"""The processor's unit for matrices of bfloat16 (AMX): eight registers of 16 lines, which it multiplies.

A register is 16 by 32 bfloat16, or 16 by 16 float32. Of a product's right side, the pairs of neighbouring numbers that
are added up lie in one line: 16 pairs of inputs by 16 outputs.

The registers have a shape that a thread sets. The library's kernels set their own, once, so each piece of work leaves
the shape that it found: ``take_registers`` and ``leave_registers``.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from npc_engine.inference.model.jit import emit

LINES = 16
"""Lines of a register."""

LINE_BYTES = 64
REGISTER_BYTES = LINES * LINE_BYTES
STEP = 32
"""Numbers of a line, and inputs of one product."""

_SHAPE_BYTES = 64


def _full_shape():
    """The shape of eight full registers, as the processor takes it: bytes of a line from 16 on, lines from 48 on."""
    shape = np.zeros(_SHAPE_BYTES, np.uint8)
    shape[0] = 1
    shape[16:32:2], shape[48:56] = LINE_BYTES, LINES
    return shape


_FULL = _full_shape()


@njit(nogil=True)
def take_registers():
    """Make full registers of this thread's. What they were before."""
    found = np.empty(_SHAPE_BYTES, np.uint8)
    _get_shape(found)
    _set_shape(_FULL)
    return found


@njit(nogil=True)
def leave_registers(found):
    """Give this thread's registers the shape that they had."""
    _set_shape(found)


@njit(inline="always")
def aligned(count):
    """So many uint16 from the beginning of a line on: what lies across two of them is loaded twice."""
    room = np.empty(count + LINE_BYTES // 2, np.uint16)
    skip = (-np.int64(room.ctypes.data)) % LINE_BYTES // 2
    return room[skip : skip + count]


@intrinsic
def _set_shape(_context, shape):
    """Give this thread's registers that shape."""
    return _about_shape("llvm.x86.ldtilecfg", shape)


@intrinsic
def _get_shape(_context, shape):
    """Fill ``shape`` with that of this thread's registers."""
    return _about_shape("llvm.x86.sttilecfg", shape)


def _about_shape(name, shape):
    def generate(context, builder, signature, args):
        [begin] = emit.begins(context, builder, signature, args)
        _tell(builder, name, _pointer(builder, begin))
        return context.get_dummy_value()

    return types.void(shape), generate


def clear(builder, register):
    """Zeros in all of it."""
    _tell(builder, "llvm.x86.tilezero", _register(register))


def load(builder, register, address, apart=LINE_BYTES):
    """Fill it from lines that lie so many bytes apart."""
    _move(builder, "llvm.x86.tileloadd64", register, address, apart)


def store(builder, register, address, apart=LINE_BYTES):
    """Write its lines, so many bytes apart."""
    _move(builder, "llvm.x86.tilestored64", register, address, apart)


def multiply_add(builder, sums, left, right):
    """``sums += left @ right``: registers of float32, of bfloat16, and of pairs of bfloat16."""
    _tell(builder, "llvm.x86.tdpbf16ps", *map(_register, (sums, left, right)))


def _move(builder, name, register, address, apart):
    apart = emit.constant(apart) if isinstance(apart, int) else apart
    _tell(builder, name, _register(register), _pointer(builder, address), apart)


def _register(index):
    return ir.Constant(emit.I8, index)


def _pointer(builder, address):
    return builder.inttoptr(address, emit.I8.as_pointer())


def _tell(builder, name, *args):
    kind = ir.FunctionType(ir.VoidType(), [arg.type for arg in args])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)
