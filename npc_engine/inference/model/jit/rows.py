"""Rows of activations on their way into a product of eight-bit numbers, and out of it.

Inputs are float32, or bfloat16 as its bits.
"""

import numpy as np
from numba import njit, prange

from npc_engine.inference.model.jit.numbers import from_bits, narrowed, number, size_bits

LARGEST, ZERO_POINT = 127, 128


@njit(parallel=True, fastmath=True, nogil=True, error_model="numpy", cache=True)
def to_levels(x, eps, stride, levels, scale):
    """Fill ``levels`` uint8 [rows, size] from ``x`` so that the largest of a row is LARGEST away from ZERO_POINT.

    ``scale`` float32 [rows]: what LARGEST stands for. With ``eps`` at least 0 it is that of the row divided by its root
    mean square, which so costs no pass of its own. Rows are turned by the ``Rotation`` of that ``stride`` before; with
    ``size`` they stay as they are.
    """
    rows, size = x.shape
    shrink = np.float32(1.0) / np.sqrt(np.float32(size // stride))
    for row in prange(rows):
        numbers = np.empty(size, np.float32)
        for d in range(size):
            numbers[d] = number(x[row, d])
        _turn(numbers, stride)
        largest, squares = _measure(numbers)
        step = np.float32(LARGEST) / largest
        for d in range(size):
            levels[row, d] = np.uint8(numbers[d] * step + np.float32(ZERO_POINT + 0.5))
        # What the turn has enlarged: it adds and subtracts, and does not divide.
        scale[row] = largest * shrink
        if eps >= 0:
            scale[row] = largest / np.sqrt(squares / np.float32(size) + eps)


@njit(fastmath=True, nogil=True, error_model="numpy")
def _measure(row):
    """The largest size of a row's numbers, at least 1e-12, and the sum of their squares."""
    largest, squares = size_bits(np.float32(1e-12)), np.float32(0.0)
    for d in range(len(row)):
        largest = max(largest, size_bits(row[d]))
        squares += row[d] * row[d]
    return from_bits(largest), squares


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


@njit(parallel=True, fastmath=True, nogil=True, error_model="numpy", cache=True)
def scaled(product, scale, bias, out):
    """``out`` uint16 [rows, size] = ``product`` float32 times the row's ``scale``, plus ``bias`` if it is not empty."""
    rows, size = product.shape
    for row in prange(rows):
        if len(bias):
            for d in range(size):
                out[row, d] = narrowed(product[row, d] * scale[row] + bias[d])
        else:
            for d in range(size):
                out[row, d] = narrowed(product[row, d] * scale[row])


@njit(parallel=True, fastmath=True, nogil=True, error_model="numpy", cache=True)
def add_scaled(stream, product, scale, bias):
    """``stream`` float32 [rows, size] += ``product`` times the row's ``scale``, plus ``bias`` if it is not empty."""
    rows, size = product.shape
    for row in prange(rows):
        if len(bias):
            for d in range(size):
                stream[row, d] += product[row, d] * scale[row] + bias[d]
        else:
            for d in range(size):
                stream[row, d] += product[row, d] * scale[row]


@njit(parallel=True, fastmath=True, nogil=True, error_model="numpy", cache=True)
def norm(x, weight, eps, out):
    """``out`` = ``x`` over its root mean square, times ``weight``: Zhang and Sennrich, arXiv 1910.07467.

    ``x``, ``out`` uint16 [rows, size]; ``weight`` float32 [size].
    """
    rows, size = x.shape
    for row in prange(rows):
        squares = np.float32(0.0)
        for d in range(size):
            value = number(x[row, d])
            squares += value * value
        scale = np.float32(1.0) / np.sqrt(squares / np.float32(size) + eps)
        for d in range(size):
            out[row, d] = narrowed(number(x[row, d]) * scale * weight[d])
