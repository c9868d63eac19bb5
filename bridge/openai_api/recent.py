"""What was used last, within a budget."""

from collections import OrderedDict
from collections.abc import Hashable, Sized
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Sized)

# Even an empty value costs something to keep.
_OVERHEAD = 16


class Recent(Generic[K, V]):
    """A map that forgets what was not used for longest, so that the lengths of its values stay below ``budget``."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._used = 0
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value of ``key``, which is the newest now."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep ``value``, unless it alone is more than there may be."""
        former = self._values.pop(key, None)
        if former is not None:
            self._used -= len(former) + _OVERHEAD
        self._values[key] = value
        self._used += len(value) + _OVERHEAD
        while self._used > self._budget:
            _, oldest = self._values.popitem(last=False)
            self._used -= len(oldest) + _OVERHEAD
