"""The commands, and what happens to their errors."""

import importlib.metadata
import sys
from typing import Annotated

import typer

from npc_engine.cli.bench import bench
from npc_engine.cli.chat import chat
from npc_engine.cli.console import show_error
from npc_engine.cli.doctor import doctor
from npc_engine.cli.lint import lint
from npc_engine.cli.models import models
from npc_engine.cli.serve import serve
from npc_engine.errors import NpcEngineError

app = typer.Typer(
    name="npc-engine",
    help="Keeps the minds of many game characters, and lets games talk to them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(chat)
app.command()(lint)
app.add_typer(models)
app.command()(doctor)
app.add_typer(bench)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"npc-engine {importlib.metadata.version('npc-engine')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command that the arguments name. What the user can mend is said in two lines, without a traceback."""
    try:
        app()
    except NpcEngineError as error:
        show_error(error)
        sys.exit(1)
