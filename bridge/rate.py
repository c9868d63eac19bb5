"""How fast a client may send."""


class TokenBucket:
    """Allows ``rate`` events per second, and ``burst`` at once after a quiet while.

    Time is the caller's: any clock in seconds that never goes back.
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> float:
        """Count one event. Returns 0 if it is allowed, else the seconds to wait until one is; those don't count."""
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.rate
