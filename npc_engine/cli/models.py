"""``npc-engine models``: what there is, fetching it, and what is known about it."""

from typing import Annotated

import typer

from npc_engine.cli.options import Config

models = typer.Typer(name="models", help="Language models: list, fetch and describe them.", no_args_is_help=True)

_Name = Annotated[
    str, typer.Argument(help="A built-in name, a folder, a .gguf file, or a Hugging Face id.", show_default=True)
]


@models.command("list")
def list_models(config: Config = None) -> None:
    """Show the built-in models and everything in the cache."""
    from rich.table import Table

    from npc_engine.cli.console import out, size
    from npc_engine.config import load_settings
    from npc_engine.inference.model.catalog import BUILT_IN, DEFAULT, cached_models

    cached = {model.name: model for model in cached_models(load_settings(file=config).cache)}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("--model", "what it is", "size", "in the cache"):
        table.add_column(heading, justify="right" if heading == "size" else "left", overflow="fold")
    for name, model in BUILT_IN.items():
        here = cached.pop(name, None)
        what = f"{model.title}, {model.licence}" + (" (default)" if name == DEFAULT else "")
        table.add_row(name, what, size(here.size if here else model.size), "yes" if here else "no")
    for other in cached.values():
        table.add_row(other.origin, f"cached as {other.name}", size(other.size), "yes")
    out.print(table)


@models.command()
def pull(name: _Name = "default", config: Config = None) -> None:
    """Fetch and convert a model, so that the next start needs no network."""
    from npc_engine.cli.console import out
    from npc_engine.cli.progress import ShownProgress
    from npc_engine.config import load_settings
    from npc_engine.inference.model.catalog import resolve

    with ShownProgress() as progress:
        folder = resolve(name, cache=load_settings(file=config).cache, report=progress)
    out.print(f"ready in {folder}", markup=False)


@models.command()
def info(name: _Name = "default", config: Config = None) -> None:
    """Show what a model that is here is made of, and what each NPC costs with it."""
    from npc_engine.cli.console import show_rows, size
    from npc_engine.config import load_settings
    from npc_engine.inference.model.catalog import resolve
    from npc_engine.inference.model.folder import count_parameters, folder_bytes
    from npc_engine.inference.model.spec import read_spec

    folder = resolve(name, cache=load_settings(file=config).cache, may_fetch=False)
    spec = read_spec(folder)
    half = 2  # bytes, as bfloat16 and float16 have
    per_token = 2 * spec.layers * spec.kv_heads * spec.head_dim * half
    show_rows(
        {
            "folder": str(folder),
            "size": size(folder_bytes(folder)),
            "kind": spec.model_type,
            "parameters": f"{count_parameters(folder) / 1e6:,.0f} million",
            "layers": f"{spec.layers}, {spec.hidden} wide",
            "attention": f"{spec.heads} heads of {spec.head_dim}, {spec.kv_heads} for keys and values",
            "vocabulary": f"{spec.vocab:,}",
            "context": f"{spec.max_positions:,} tokens",
            "memory of an NPC": f"{size(per_token)} per token, {size(per_token * 1000)} per 1,000 (16-bit)",
        }
    )
