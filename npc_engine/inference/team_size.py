"""How many threads compute a step.

Each of a step's hundreds of products ends where all threads have arrived. Beside a program that keeps the cores busy,
one of them arrives late at nearly each, for it has no core: fewer threads are several times faster there, on an idle
machine slower. Nothing tells beforehand which number is best, so another one is tried where there is reason to: fewer,
when the thread that leads waits for the others for much of its time, and after that more, now and then. The number that
was faster stays.
"""

from collections.abc import Hashable

WINDOW = 0.25
"""Seconds of steps that are judged together: a step is too short, and beside others too much of a lottery."""

BUSY = 0.7
"""Of the time of steps, what the thread that leads computes where all threads have cores: 0.84 and more, measured on
two cores with GNU OpenMP at 1, 8 and 32 rows. Beside one busy program it was 0.5, beside four 0.2. Where waiting
threads never sleep it is always 1, and nothing is ever tried."""

LOSS = 0.1
"""Seconds: once a trial has cost so many it is over. Beside a crowd a single step may."""

BETTER = 1.1
"""How many times as fast another number must have been to stay."""

PATIENCE, MOST_PATIENCE = 2.0, 16.0
"""Seconds until what did not help is tried again. They double each time, for it costs a tenth of a second or more."""

_NEWEST = 0.2
"""What the last step of a kind counts for in what one usually takes."""


class TeamSize:
    """``threads`` is what the next step should be computed with, of at most ``most``."""

    def __init__(self, most: int) -> None:
        self.threads = self._settled = self._most = most
        self._usual: dict[Hashable, float] = {}
        self._fewer, self._more = _Patience(), _Patience()
        self._crowded = False
        self._changed = 0.0
        self._begin_window()

    def ran(self, kind: Hashable, seconds: float, busy: float, now: float) -> None:
        """A step with ``threads`` ended ``now`` and lasted so long, of which the thread that leads was ``busy``.

        Steps of one ``kind`` take about as long as each other. ``now`` is on a clock that never goes back.
        """
        if self._most == 1:
            return
        usual = self._usual.get(kind, seconds)
        self._seconds += seconds
        self._busy += busy
        self._expected += usual
        if self._trying:
            if self._seconds >= WINDOW or self._seconds >= self._expected + LOSS:
                self._decide(now)
                self._begin_window()
            return
        self._usual[kind] = usual + _NEWEST * (seconds - usual)
        if self._seconds >= WINDOW:
            self._look_around(now)
            self._begin_window()

    @property
    def _trying(self) -> bool:
        return self.threads != self._settled

    def _begin_window(self) -> None:
        self._seconds = self._busy = self._expected = 0.0

    def _look_around(self, now: float) -> None:
        """Try another number if there is reason to, and was in the window before."""
        crowded = self._busy < BUSY * self._seconds
        if crowded != self._crowded:
            self._crowded = crowded
            self._usual.clear()  # what was usual no longer is
        elif crowded and self._settled > 1:
            if self._fewer.over(now):
                self.threads = self._settled // 2
        elif self._settled < self._most:
            if self._more.over(now):
                self.threads = min(2 * self._settled, self._most)
        elif now - self._changed > MOST_PATIENCE:
            self._fewer, self._more = _Patience(), _Patience()

    def _decide(self, now: float) -> None:
        """Stay with what was tried if it was faster than usual, or go back."""
        fewer, better = self.threads < self._settled, self._expected > BETTER * self._seconds
        if better:
            self._settled = self.threads
            self._usual.clear()
        elif fewer and self.threads > 1:
            self.threads //= 2  # as long as one thread has no core, all wait for that one
            return
        if fewer and not better:
            self._fewer.lose(now)
        elif fewer or not better:
            self._more.lose(now)
        self.threads, self._changed = self._settled, now


class _Patience:
    """When to try again what did not help."""

    def __init__(self) -> None:
        self._seconds, self._until = PATIENCE, 0.0

    def over(self, now: float) -> bool:
        """Whether it may be tried."""
        return now >= self._until

    def lose(self, now: float) -> None:
        """It did not help."""
        self._until = now + self._seconds
        self._seconds = min(2 * self._seconds, MOST_PATIENCE)
