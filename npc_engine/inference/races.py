"""Races between ways of computing the same, and what earlier starts of this machine have measured.

One start alone is not to be relied on: it may fall into a busy moment, which one contender is hit by and another is
not. So each contender's best call of all starts counts, and starts go on measuring until it no longer gets better. Then
they run no race any more. A start on a machine that has more to do than processors to do it on settles nothing.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import psutil
import torch

from npc_engine.inference.published import publish

_log = logging.getLogger(__name__)

Run = Callable[[], object]

STEADY = 2
"""Starts in a row that found nothing faster, before the next one relies on what is known."""

_FASTER = 0.9
"""A contender is faster if it takes less than this part of what it took."""

_TURNS = 12
_MICROSECONDS = 1e6


class Races:
    """Races about one thing, which ``about`` names: everything that their results depend on.

    With a ``folder``, results are kept there; with ``anew``, those of earlier starts are not looked at and replaced. A
    file that can't be read, is damaged or is about something else is as good as none, and one that can't be written
    costs the next start a moment.
    """

    def __init__(self, about: Mapping[str, str], folder: Path | None = None, *, anew: bool = False) -> None:
        self._about = dict(about)
        name = blake2b(json.dumps(self._about, sort_keys=True).encode(), digest_size=8).hexdigest()
        self._file = None if folder is None else folder / f"{name}.json"
        self._steady, self._known = (0, {}) if anew else self._read()
        self._us: dict[str, dict[str, float]] = {}

    def of(self, name: str, runs: Callable[[], Mapping[str, Run]]) -> dict[str, float]:
        """Microseconds of the best call of each of ``runs``, which are only made if they are to be run.

        Who is known and does not run this time stays known: it may be able to again.
        """
        known = self._known.get(name, {})
        if self._steady >= STEADY and known:
            self._us[name] = known
            return known
        best = race(runs())
        found = {who: min(us, known.get(who, us)) for who, us in best.items()}
        self._us[name] = known | found
        return found

    @property
    def _found_faster(self) -> bool:
        """Whether a race of this start was the first one, or some contender got better in it."""
        return any(
            us < _FASTER * self._known.get(name, {}).get(who, math.inf)
            for name, times in self._us.items()
            for who, us in times.items()
        )

    def keep(self) -> None:
        """Keep the results of all races so far for later starts."""
        if self._file is None or (self._steady >= STEADY and self._us.items() <= self._known.items()):
            return
        steady = 0 if self._found_faster else self._steady + (not _busy())
        # Races that this start had no use for, with other settings, stay known.
        kept = {"about": self._about, "steady": steady, "us": self._known | self._us}
        try:
            publish(self._file, json.dumps(kept, indent=1).encode())
        except OSError as error:
            _log.info("what was measured can't be kept in %s (%s): the next start measures again", self._file, error)

    def _read(self) -> tuple[int, dict[str, dict[str, float]]]:
        """How many starts in a row have found nothing faster, and what is known."""
        if self._file is None:
            return 0, {}
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["about"] != self._about:
                return 0, {}
            return _whole(kept["steady"]), {name: _times(times) for name, times in kept["us"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return 0, {}


def race(runs: Mapping[str, Run]) -> dict[str, float]:
    """Microseconds of each contender's best call. They take turns, so that a busy moment is everyone's."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(_TURNS):
        for key, run in runs.items():
            best[key] = min(best[key], _microseconds(run))
    return best


def _busy() -> bool:
    # Over the last minute. On Windows it is known only later; psutil says 0 until then.
    return psutil.getloadavg()[0] > (psutil.cpu_count() or 1)


def _microseconds(run: Run) -> float:
    started = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) * _MICROSECONDS


def _whole(number: Any) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError(number)
    return number


def _times(times: Any) -> dict[str, float]:
    found = {str(who): float(us) for who, us in times.items()}
    if not found or not all(0 < us < math.inf for us in found.values()):
        raise ValueError(times)
    return found
