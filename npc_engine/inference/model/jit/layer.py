"""What a layer does between its matrix products."""

import numpy as np
from numba import njit, prange

from npc_engine.inference.model.jit.kept import compiled
from npc_engine.inference.model.jit.numbers import narrowed, widened
from npc_engine.inference.model.jit.rows import FEW


@compiled
def rotate_and_store(qkv, cos, sin, slots, positions, query_norm, key_norm, eps, keys, values, query):
    """Split ``qkv`` uint16 [rows, heads + 2 * kv_heads, size]: rotated queries into ``query`` [rows, heads, size],
    rotated keys and values into their places in ``keys`` and ``values`` [slots, kv_heads, capacity, size].

    ``cos``, ``sin`` float32 [positions, size / 2] (rotary embedding, Su et al., arXiv 2104.09864). The norms' weights
    float32 [size], or empty for a model that has none.
    """
    if qkv.size < FEW:
        for row in range(len(qkv)):
            at = slots[row], positions[row]
            _rotate_and_store(qkv[row], cos, sin, at, query_norm, key_norm, eps, keys, values, query[row])
    else:
        for row in prange(len(qkv)):
            at = slots[row], positions[row]
            _rotate_and_store(qkv[row], cos, sin, at, query_norm, key_norm, eps, keys, values, query[row])


@njit(fastmath=True, nogil=True, error_model="numpy")
def _rotate_and_store(qkv, cos, sin, at, query_norm, key_norm, eps, keys, values, query):
    slot, position = at
    heads, kv_heads, size = len(query), keys.shape[1], keys.shape[3]
    for head in range(heads):
        _rotate(qkv[head], cos[position], sin[position], query_norm, eps, query[head])
    for head in range(kv_heads):
        _rotate(qkv[heads + head], cos[position], sin[position], key_norm, eps, keys[slot, head, position])
        for d in range(size):
            values[slot, head, position, d] = qkv[heads + kv_heads + head, d]


@njit(fastmath=True, inline="always")
def _rotate(source, cos, sin, norm, eps, out):
    half = len(cos)
    scale = np.float32(1.0)
    if len(norm):
        squares = np.float32(0.0)
        for d in range(2 * half):
            squares += widened(source[d]) * widened(source[d])
        scale = np.float32(1.0) / np.sqrt(squares / np.float32(2 * half) + eps)
    for d in range(half):
        left, right = widened(source[d]) * scale, widened(source[d + half]) * scale
        if len(norm):
            left, right = left * norm[d], right * norm[d + half]
        out[d] = narrowed(left * cos[d] - right * sin[d])
        out[d + half] = narrowed(right * cos[d] + left * sin[d])
