"""Races between ways of computing the same, and what earlier starts of this machine have measured.

A start that finds enough measurements runs no race. One alone is not enough: it may fall into a busy moment, which one
contender is hit by and another is not. So the first starts all measure, and each contender's best call counts.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch

from npc_engine.inference.published import publish

_log = logging.getLogger(__name__)

Run = Callable[[], object]

STARTS = 3
"""Starts that measure before one relies on what is known."""

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
        self._starts, self._known = (0, {}) if anew else self._read()
        self._us: dict[str, dict[str, float]] = {}

    def of(self, name: str, runs: Callable[[], Mapping[str, Run]]) -> dict[str, float]:
        """Microseconds of the best call of each of ``runs``, which are only made if they are to be run."""
        known = self._known.get(name, {})
        if self._starts < STARTS or not known:
            best = race(runs())
            known = {who: min(us, known.get(who, us)) for who, us in best.items()}
        self._us[name] = known
        return known

    def keep(self) -> None:
        """Keep the results of all races so far for later starts."""
        if self._file is None or (self._starts >= STARTS and self._us == self._known):
            return
        kept = {"about": self._about, "starts": self._starts + 1, "us": self._us}
        try:
            publish(self._file, json.dumps(kept, indent=1).encode())
        except OSError as error:
            _log.info("what was measured can't be kept in %s (%s): the next start measures again", self._file, error)

    def _read(self) -> tuple[int, dict[str, dict[str, float]]]:
        """How many starts have measured, and what."""
        if self._file is None:
            return 0, {}
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["about"] != self._about:
                return 0, {}
            return _whole(kept["starts"]), {name: _times(times) for name, times in kept["us"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return 0, {}


def race(runs: Mapping[str, Run]) -> dict[str, float]:
    """Microseconds of each contender's best call. They take turns, so that a busy moment is everyone's."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(_TURNS):
        for key, run in runs.items():
            best[key] = min(best[key], _microseconds(run))
    return best


def _microseconds(run: Run) -> float:
    started = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - started) * _MICROSECONDS


def _whole(number: Any) -> int:
    if not isinstance(number, int) or number < 1:
        raise ValueError(number)
    return number


def _times(times: Any) -> dict[str, float]:
    found = {str(who): float(us) for who, us in times.items()}
    if not found or not all(0 < us < math.inf for us in found.values()):
        raise ValueError(times)
    return found
