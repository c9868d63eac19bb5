"""Rows of activations on their way into a product of eight-bit numbers, and out of it.

Inputs are float32, or bfloat16 as its bits.
"""

import numpy as np
from numba import njit, prange

from npc_engine.inference.model.eight_bit import LARGEST, ZERO_POINT
from npc_engine.inference.model.jit.numbers import exponential, narrowed, number


@njit(parallel=True, fastmath=True, nogil=True, error_model="numpy", cache=True)
def to_levels(x, eps, levels, scale):
    """Fill ``levels`` uint8 [rows, size] from ``x`` so that the largest of a row is LARGEST away from ZERO_POINT.

    ``scale`` float32 [rows]: what LARGEST stands for. With ``eps`` at least 0 it is that of the row divided by its root
    mean square, which so costs no pass of its own.
    """
    rows, size = x.shape
    for row in prange(rows):
        largest, squares = np.float32(1e-12), np.float32(0.0)
        for d in range(size):
            value = number(x[row, d])
            largest = max(largest, abs(value))
            squares += value * value
        step = np.float32(LARGEST) / largest
        for d in range(size):
            levels[row, d] = np.uint8(number(x[row, d]) * step + np.float32(ZERO_POINT + 0.5))
        scale[row] = largest
        if eps >= 0:
            scale[row] = largest / np.sqrt(squares / np.float32(size) + eps)


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
def gated_levels(product, scale, stride, levels, gated_scale):
    """``to_levels`` of silu(left half) * right half of ``product`` float32 [rows, 2 * size] times the row's ``scale``,
    rotated by the ``Rotation`` of that ``stride``.

    ``levels`` uint8 [rows, size], ``gated_scale`` float32 [rows].
    """
    rows, size = levels.shape
    shrink = np.float32(1.0) / np.sqrt(np.float32(size // stride))
    for row in prange(rows):
        gated = np.empty(size, np.float32)
        for d in range(size):
            value = product[row, d] * scale[row]
            gated[d] = value / (np.float32(1.0) + exponential(-value)) * product[row, size + d] * scale[row]
        distance = stride
        while distance < size:
            for start in range(0, size, 2 * distance):
                for d in range(start, start + distance):
                    left, right = gated[d], gated[d + distance]
                    gated[d], gated[d + distance] = left + right, left - right
            distance *= 2
        largest = np.float32(1e-12)
        for d in range(size):
            largest = max(largest, abs(gated[d]))
        step = np.float32(LARGEST) / largest
        for d in range(size):
            levels[row, d] = np.uint8(gated[d] * step + np.float32(ZERO_POINT + 0.5))
        gated_scale[row] = largest * shrink
