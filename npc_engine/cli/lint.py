"""``npc-engine lint``: everything wrong with worlds and personas, with file, line and column."""

from pathlib import Path
from typing import Annotated

import typer

_COLOURS = {"error": "bold red", "warning": "yellow"}


def lint(path: Annotated[Path, typer.Argument(help="A YAML file, a world folder, or a folder of worlds.")]) -> None:
    """Check personas and worlds. Exits 1 if there are errors; warnings are shown and don't count."""
    from rich.text import Text

    from npc_engine.cli.console import out
    from npc_engine.persona import check, count_files

    problems = check(path)
    for problem in problems:
        text = Text(str(problem))
        text.highlight_words([f"{problem.severity}:"], _COLOURS[problem.severity])
        out.print(text)
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    files = _count(count_files(path), "file")
    out.print(f"{files} checked: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    if errors:
        raise typer.Exit(1)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
