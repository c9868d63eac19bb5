"""Where output goes: results to stdout, everything about the way there to stderr."""

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from npc_engine.errors import NpcEngineError

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)


def show_error(error: NpcEngineError) -> None:
    """What is wrong in red, and below it what to do."""
    err.print(Text(error.message, style="bold red"))
    if error.remedy:
        err.print(Text(error.remedy))


def show_rows(rows: Mapping[str, str]) -> None:
    """Labels and values, one a line. Values are not folded: people copy paths out of them."""
    width = max(map(len, rows))
    for label, value in rows.items():
        out.print(Text.assemble((f"  {label:<{width}}  ", "bold"), value))


def size(count: int) -> str:
    """Bytes as people read them, in decimal units as disks and downloads are counted."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if value >= 100 or units[0] == "B" else f"{value:.1f} {units[0]}"
