"""What is wrong with a file, said to the designer who can mend it."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from npc_engine.errors import InvalidPersona

Severity = Literal["error", "warning"]

SHOWN_IN_ERROR = 20
"""How many problems an InvalidPersona spells out; the linter prints the rest."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file. ``line`` and ``column`` count from 1 as editors do; columns are characters."""

    file: Path
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. ``key`` is a path such as ``knowledge[0].text``, empty for the whole file."""

    file: Path
    line: int
    column: int
    key: str
    message: str
    hint: str = ""
    severity: Severity = "error"

    @classmethod
    def at(cls, mark: Mark, key: str, message: str, hint: str = "", *, severity: Severity = "error") -> "Problem":
        """A problem at ``mark``."""
        return cls(mark.file, mark.line, mark.column, key, message, hint, severity)

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {key}{self.message}{hint}"


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, by file, line and column: a fault in a parent shows in every child."""
    return sorted(dict.fromkeys(problems), key=lambda p: (p.file.as_posix(), p.line, p.column, p.severity, p.message))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint: the word of ``known`` that ``word`` was probably meant to be, else all of them."""
    choices = sorted(known)
    close = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known here: {', '.join(choices)}" if choices else ""


def raise_errors(problems: Iterable[Problem]) -> None:
    """Raise InvalidPersona listing the errors among ``problems``, if there are any."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        return
    lines = [str(problem) for problem in errors[:SHOWN_IN_ERROR]]
    if len(errors) > SHOWN_IN_ERROR:
        lines.append(f"... and {len(errors) - SHOWN_IN_ERROR} more")
    raise InvalidPersona("\n".join(lines))
