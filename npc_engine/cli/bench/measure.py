"""One measured figure, what it should reach, and the table of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import JustifyMethod
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` in ``unit``. ``aim`` is the bound it should keep: an upper one, or a lower one if ``at_least``."""

    name: str
    value: float
    unit: str
    aim: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the aim is kept; None without one."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.at_least else self.value <= self.aim


def shown(value: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value below which at least ``share`` of ``values`` lie; the largest, if there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(figures: Sequence[Figure]) -> Table:
    """All figures, one a row."""
    rows = Table(box=None, pad_edge=False)
    for heading in ("what", "measured", "aim", "", "how"):
        justify: JustifyMethod = "right" if heading in ("measured", "aim") else "left"
        rows.add_column(heading, justify=justify, no_wrap=heading != "how")
    for figure in figures:
        aim = "" if figure.aim is None else f"{'≥' if figure.at_least else '≤'} {shown(figure.aim)}"
        verdict = {None: "", True: "[green]reached[/]", False: "[red]short[/]"}[figure.reached]
        rows.add_row(figure.name, f"{shown(figure.value)} {figure.unit}", aim, verdict, f"[dim]{figure.note}[/]")
    return rows
