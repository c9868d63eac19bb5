"""Teams of OpenMP threads. A thread that computes gets one of its own, and the engine's should stay the only one.

libgomp counts the threads of all teams. Once there are more than processors, waiting threads no longer spin but sleep
and are woken at every barrier, of which a step has hundreds. Measured on two cores with the default model: a second
team, left by loading the model on another thread, makes decoding one sequence take 20 instead of 10 milliseconds.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

_T = TypeVar("_T")

USUAL = torch.get_num_threads()
"""How many compute unless told otherwise: torch's choice, which keeps to the cores this process may use. Asked later, a
new thread says what was last set on any other."""


def leaving_no_team(work: Callable[[], _T]) -> _T:
    """The result of ``work``, which may compute: it is done on a thread that ends, and its team with it."""
    with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
        return pool.submit(work).result()


def without_team() -> None:
    """Have the calling thread compute alone from now on. What MKL computes keeps to a setting of its own."""
    torch.get_num_threads()  # which would otherwise set this thread's number at its first product
    threadpool_limits(1, user_api="openmp")


def compute_with(threads: int) -> None:
    """Have the calling thread compute with so many, itself included.

    A thread that computes alone keeps its team; of a team of fewer the others end, and begin again when needed.
    """
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)  # compiled kernels ask torch
