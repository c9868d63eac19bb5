"""The figures of several engines in one table, and how many times better ours are than the best of the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

from rich.table import Table

from npc_engine.cli.bench.measure import Figure, shown


@dataclass(frozen=True, slots=True)
class Result:
    """One engine's figures: the same ones in the same order for all engines."""

    name: str
    figures: Sequence[Figure]


def against(ours: Result, peers: Sequence[Result]) -> list[Figure]:
    """Our figures; the aim of each is what the best peer reached."""
    aims = [_best([peer.figures[row] for peer in peers]) for row in range(len(ours.figures))]
    return [replace(figure, aim=aim) for figure, aim in zip(ours.figures, aims, strict=True)]


def side_by_side(ours: Result, peers: Sequence[Result]) -> Table:
    """A row for each figure, a column for each engine."""
    rows = Table(box=None, pad_edge=False)
    rows.add_column("what", no_wrap=True)
    for result in (ours, *peers):
        rows.add_column(result.name, justify="right")
    rows.add_column("against the best peer" if peers else "", justify="right")
    for row, figure in enumerate(against(ours, peers)):
        rows.add_row(figure.name, *(_value(result.figures[row]) for result in (ours, *peers)), _verdict(figure))
    return rows


def notes(results: Sequence[Result]) -> Iterator[str]:
    """How each engine's figures came about, a line for each."""
    for result in results:
        yield f"{result.name}: {'; '.join(figure.note for figure in result.figures if figure.note)}"


def _best(figures: Sequence[Figure]) -> float | None:
    values = [figure.value for figure in figures if not isnan(figure.value)]
    if not values:
        return None
    return max(values) if figures[0].at_least else min(values)


def _value(figure: Figure) -> str:
    return "never at once" if isnan(figure.value) else f"{shown(figure.value)} {figure.unit}"


def _verdict(figure: Figure) -> str:
    """How many times better than its aim, whichever direction is better."""
    if figure.aim is None or isnan(figure.value):
        return ""
    times = figure.value / figure.aim if figure.at_least else figure.aim / figure.value
    return f"[{'green' if figure.reached else 'red'}]{times:.2f}x[/]"
