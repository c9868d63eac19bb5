"""Kernels for bfloat16 on a CPU, compiled by numba for the processor at hand and kept compiled: see ``kept``.

The library has no attention over strided bfloat16 keys that neither copies them nor converts them slowly, and a layer's
small operations cost it more in calls than in work. Here each is one loop over the data where it lies. Arrays of
bfloat16 are passed as their bits, uint16.
"""
