"""Rows of activations on their way into a matrix product, and out of it.

Inputs are float32, or bfloat16 as its bits. Few numbers are done by the calling thread: sharing them out gains nothing,
and where a game has the other core, it costs a wait.
"""

import numpy as np
from numba import njit, prange

from npc_engine.inference.model.jit.kept import compiled
from npc_engine.inference.model.jit.numbers import exponential, from_bits, narrowed, number, size_bits, widened

LARGEST, ZERO_POINT = 127, 128
FEW = 1 << 15
"""Numbers that one thread is done with before another one would have begun, or has the processor to begin on."""


@compiled
def to_levels(x, eps, stride, levels, scale):
    """Fill ``levels`` uint8 [rows, size] from ``x`` so that the largest of a row is LARGEST away from ZERO_POINT.

    ``scale`` float32 [rows]: what LARGEST stands for. With ``eps`` at least 0 it is that of the row divided by its root
    mean square, which so costs no pass of its own. Rows are turned by the ``Rotation`` of that ``stride`` before; with
    ``size`` they stay as they are.
    """
    if x.size < FEW:
        for row in range(len(x)):
            scale[row] = _to_levels(x[row], eps, stride, levels[row])
    else:
        for row in prange(len(x)):
            scale[row] = _to_levels(x[row], eps, stride, levels[row])


@compiled
def scaled(product, scale, bias, out):
    """``out`` uint16 [rows, size] = ``product`` float32 times the row's ``scale``, plus ``bias`` if it is not empty."""
    if product.size < FEW:
        for row in range(len(product)):
            _scaled(product[row], scale[row], bias, out[row])
    else:
        for row in prange(len(product)):
            _scaled(product[row], scale[row], bias, out[row])


@compiled
def add_scaled(stream, product, scale, bias):
    """``stream`` float32 [rows, size] += ``product`` times the row's ``scale``, plus ``bias`` if it is not empty."""
    if product.size < FEW:
        for row in range(len(product)):
            _add_scaled(stream[row], product[row], scale[row], bias)
    else:
        for row in prange(len(product)):
            _add_scaled(stream[row], product[row], scale[row], bias)


@compiled
def norm(x, weight, eps, out):
    """``out`` = ``x`` over its root mean square, times ``weight``: Zhang and Sennrich, arXiv 1910.07467.

    ``x``, ``out`` uint16 [rows, size]; ``weight`` float32 [size].
    """
    if x.size < FEW:
        for row in range(len(x)):
            _norm(x[row], weight, eps, out[row])
    else:
        for row in prange(len(x)):
            _norm(x[row], weight, eps, out[row])


@compiled
def gate(gate_up, out):
    """``out`` [rows, size] = silu(left half) * right half of ``gate_up`` [rows, 2 * size], both uint16."""
    size = out.shape[1]
    if gate_up.size < FEW:
        for row in range(len(gate_up)):
            _gate(gate_up[row, :size], gate_up[row, size:], out[row])
    else:
        for row in prange(len(gate_up)):
            _gate(gate_up[row, :size], gate_up[row, size:], out[row])


@njit(fastmath=True, nogil=True, error_model="numpy")
def _to_levels(x, eps, stride, levels):
    size = len(x)
    numbers = np.empty(size, np.float32)
    for d in range(size):
        numbers[d] = number(x[d])
    _turn(numbers, stride)
    largest, squares = size_bits(np.float32(1e-12)), np.float32(0.0)
    for d in range(size):
        largest = max(largest, size_bits(numbers[d]))
        squares += numbers[d] * numbers[d]
    scale = from_bits(largest)
    step = np.float32(LARGEST) / scale
    for d in range(size):
        levels[d] = np.uint8(numbers[d] * step + np.float32(ZERO_POINT + 0.5))
    if eps >= 0:
        # As turned and enlarged as the largest is: that cancels out.
        return scale / np.sqrt(squares / np.float32(size) + eps * np.float32(size // stride))
    return scale / np.sqrt(np.float32(size // stride))


@njit(fastmath=True, nogil=True, error_model="numpy")
def _turn(row, stride):
    """Hadamard's transform of numbers that lie ``stride`` apart, in place, without its division."""
    while stride < len(row):
        for start in range(0, len(row), 2 * stride):
            # As slices of their own, so that the compiler knows how far they reach.
            low, high = row[start : start + stride], row[start + stride : start + 2 * stride]
            for d in range(stride):
                left, right = low[d], high[d]
                low[d] = left + right
                high[d] = left - right
        stride *= 2


@njit(fastmath=True, nogil=True, error_model="numpy")
def _scaled(product, scale, bias, out):
    if len(bias):
        for d in range(len(out)):
            out[d] = narrowed(product[d] * scale + bias[d])
    else:
        for d in range(len(out)):
            out[d] = narrowed(product[d] * scale)


@njit(fastmath=True, nogil=True, error_model="numpy")
def _add_scaled(stream, product, scale, bias):
    if len(bias):
        for d in range(len(stream)):
            stream[d] += product[d] * scale + bias[d]
    else:
        for d in range(len(stream)):
            stream[d] += product[d] * scale


@njit(fastmath=True, nogil=True, error_model="numpy")
def _norm(x, weight, eps, out):
    squares = np.float32(0.0)
    for d in range(len(x)):
        value = number(x[d])
        squares += value * value
    scale = np.float32(1.0) / np.sqrt(squares / np.float32(len(x)) + eps)
    for d in range(len(x)):
        out[d] = narrowed(number(x[d]) * scale * weight[d])


@njit(fastmath=True, nogil=True, error_model="numpy")
def _gate(gates, ups, out):
    for d in range(len(out)):
        value = widened(gates[d])
        out[d] = narrowed(value / (np.float32(1.0) + exponential(-value)) * widened(ups[d]))
