"""Those who want to be told when something happens. Whoever tells does not know them."""

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Watchers(Generic[T]):
    """Functions that are called with all that is told, one after the other. All on one thread."""

    def __init__(self) -> None:
        self._watchers: dict[object, Callable[[T], None]] = {}

    def __len__(self) -> int:
        return len(self._watchers)

    def add(self, watcher: Callable[[T], None]) -> Callable[[], None]:
        """Call ``watcher`` from now on; it must not block. What is returned ends that; harmless when repeated."""
        key = object()  # the same function may watch twice, and each of the two ends by itself
        self._watchers[key] = watcher

        def stop() -> None:
            self._watchers.pop(key, None)

        return stop

    def tell(self, news: T) -> None:
        """Call everyone with ``news``. A failure is that watcher's own: others are told all the same."""
        for watcher in tuple(self._watchers.values()):
            try:
                watcher(news)
            except Exception:
                logger.exception("one who watches failed")
