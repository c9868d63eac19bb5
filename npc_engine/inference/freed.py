"""Memory that was freed, and that a library keeps for later."""

import ctypes
import gc

import torch


def return_freed() -> None:
    """Hand freed memory back to the system, where the C library has a call for it (GNU's).

    Loading frees as much as it keeps, in pieces: without this the process stays that large.
    """
    gc.collect()
    return_device_memory()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)


def return_device_memory() -> None:
    """Hand freed memory of a CUDA device, and pinned memory, back. Blocks until the device is done with it."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
        torch.accelerator.memory.empty_host_cache()
