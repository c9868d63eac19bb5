"""``npc-engine bench``: how fast this machine is with this model, beside what it should reach."""

import asyncio
from typing import Annotated

import typer

from npc_engine.cli.options import Config, Model, given


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="A smaller load, to see that it runs; not to be quoted.")
    ] = False,
    model: Model = None,
    config: Config = None,
) -> None:
    """Measure decoding, first tokens, pings under load and memory. Takes a minute or two; let nothing else run."""
    from npc_engine.inference.spinning import limit_spinning

    limit_spinning()
    from npc_engine.cli.bench.decode import measure_decode
    from npc_engine.cli.bench.measure import Figure, table
    from npc_engine.cli.bench.served import Load, measure_served
    from npc_engine.cli.console import out
    from npc_engine.cli.progress import ShownProgress
    from npc_engine.config import load_settings
    from npc_engine.inference.load import load_engine
    from npc_engine.inference.model.catalog import resolve

    settings = load_settings(given(model=model), config)
    with ShownProgress() as progress:
        folder = resolve(settings.model, cache=settings.cache, report=progress)
    figures: list[Figure] = []

    async def served() -> None:
        load = Load(crowd=4, speaking=4, seconds=1.0, turns=2) if quick else Load()
        figures.extend([figure async for figure in measure_served(settings.model, load)])

    asyncio.run(served())
    loaded = load_engine(folder)
    figures.extend(measure_decode(loaded, tokens=8 if quick else 64))
    out.print(f"{settings.model}: {loaded.choice.explain()}", markup=False)
    out.print(table(figures))
