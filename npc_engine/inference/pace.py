"""How fast may be generated, for a game that needs the processor itself."""


class Pace:
    """Keeps to so many tokens per second by pauses. Times are seconds on a clock that never goes back.

    A quiet time earns nothing: what was not used then can't be had at once later.
    """

    def __init__(self) -> None:
        self._rate = self._next = 0.0

    def limit(self, tokens_per_second: float) -> None:
        """Keep to this from now on; 0 for no limit."""
        self._rate, self._next = tokens_per_second, 0.0

    def spend(self, tokens: int, now: float) -> None:
        """So many were generated."""
        if self._rate:
            self._next = max(self._next, now) + tokens / self._rate

    def pause(self, now: float) -> float:
        """Seconds until more may be generated."""
        return max(0.0, self._next - now)
