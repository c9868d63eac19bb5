"""Memory that was freed, and that the C library keeps for later."""

import ctypes
import gc


def return_freed() -> None:
    """Hand freed memory back to the system, where the C library has a call for it (GNU's).

    Loading frees as much as it keeps, in pieces: without this the process stays that large.
    """
    gc.collect()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)
