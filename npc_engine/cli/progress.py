"""A Progress for people: a bar in a terminal; anywhere else a line per step, and more of them while a step goes on."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from npc_engine.cli.console import err, size

_QUIET_SECONDS = 10.0
"""Between two lines about one step, where no bar grows."""


class ShownProgress:
    """Shows steps on stderr. A context manager: leaving it ends the last step."""

    def __init__(self) -> None:
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            # This column gives way to the others where the terminal is narrow: then it takes a second line.
            TextColumn("{task.description}", table_column=Column(ratio=1)),
            _IfKnown(BarColumn(bar_width=12)),
            _IfKnown(_Amount()),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            expand=True,
        )
        self._step: TaskID | None = None
        self._alive = False
        self._total: int | None = None
        self._unit = ""
        self._next_line = 0.0

    def say(self, text: str) -> None:
        """See Progress of the model room."""
        (self._bars.console if self._alive else err).print(Text(text))

    def begin(self, step: str, total: int | None = None, unit: str = "bytes") -> None:
        """See Progress of the model room."""
        if not err.is_terminal:
            self._total, self._unit = total, unit
            self._print(f"{step} ...")
            return
        if not self._alive:
            # Only now: with a warm cache there are no steps, and nothing should flicker.
            self._bars.start()
            self._alive = True
        self._finish_step()
        self._step = self._bars.add_task(escape(step), total=total, unit=unit)

    def advance(self, done: int) -> None:
        """See Progress of the model room."""
        if self._step is not None:
            self._bars.update(self._step, completed=done)
        elif self._total is not None and time.monotonic() >= self._next_line:
            self._print(f"  {_amount(done, self._total, self._unit)}")

    def end(self) -> None:
        """All steps are done; others may write to the terminal now."""
        self._finish_step()
        self._step = None
        if self._alive:
            self._bars.stop()
            self._alive = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._step = None  # what failed is not shown as done
        self.end()

    def _print(self, line: str) -> None:
        err.print(Text(line))
        self._next_line = time.monotonic() + _QUIET_SECONDS

    def _finish_step(self) -> None:
        if self._step is None:
            return
        task = self._bars.tasks[self._step]
        total = task.total if task.total is not None else task.completed or 1
        self._bars.update(self._step, total=total, completed=total)


class _IfKnown(ProgressColumn):
    """A column that stays empty where nobody knows how much there is to do."""

    def __init__(self, column: ProgressColumn) -> None:
        super().__init__()
        self._column = column

    def render(self, task: Task) -> object:  # type: ignore[override]
        """See rich."""
        known = task.total is not None and task.total > 1
        return self._column.render(task) if known else Text("")


class _Amount(ProgressColumn):
    """How much of a step is done, in numbers."""

    def render(self, task: Task) -> Text:
        """See rich."""
        return Text(_amount(int(task.completed), int(task.total or 0), task.fields["unit"]))


def _amount(done: int, total: int, unit: str) -> str:
    return f"{size(done)} of {size(total)}" if unit == "bytes" else f"{done} of {total} {unit}"
