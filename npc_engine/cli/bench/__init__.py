"""``npc-engine bench``: how fast this machine is with this model, beside what it should reach."""

import asyncio
from typing import Annotated

import typer

from npc_engine.cli.options import Config, Model

bench = typer.Typer(name="bench", help="Measure this machine, or this engine beside others.")

Quick = Annotated[bool, typer.Option("--quick", help="A smaller load, to see that it runs; not to be quoted.")]
Peers = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        metavar="NAME=COMMAND",
        help="An engine to compare with: a command with {port} in it that serves the same model with the OpenAI API, "
        "or the URL of one that runs, which should rest while the others are measured. May be repeated.",
    ),
]


@bench.callback(invoke_without_command=True)
def machine(context: typer.Context, quick: Quick = False, model: Model = None, config: Config = None) -> None:
    """Measure decoding, first tokens, pings under load and memory. Takes a minute or two; let nothing else run."""
    if context.invoked_subcommand is not None:
        return
    from npc_engine.config import load_settings
    from npc_engine.inference.environment import set_environment

    set_environment(load_settings(file=config).kernels)
    from npc_engine.cli.bench.decode import measure_decode
    from npc_engine.cli.bench.measure import Figure, table
    from npc_engine.cli.bench.served import Load, measure_served
    from npc_engine.cli.bench.subject import find_subject
    from npc_engine.cli.console import out
    from npc_engine.inference.load import load_engine

    subject = find_subject(model, config)
    figures: list[Figure] = []

    async def served() -> None:
        load = Load(crowd=4, speaking=4, seconds=1.0, turns=2) if quick else Load()
        figures.extend([figure async for figure in measure_served(subject.model, load)])

    asyncio.run(served())
    loaded = load_engine(subject.folder)
    figures.extend(measure_decode(loaded, tokens=8, prompt=32) if quick else measure_decode(loaded, tokens=64))
    out.print(f"{subject.model}: {loaded.choice.explain()}", markup=False)
    out.print(table(figures))


@bench.command()
def village(peer: Peers = None, quick: Quick = False, model: Model = None, config: Config = None) -> None:
    """Speak to a village through HTTP, here and on other engines, one after another. Takes two minutes for each."""
    from npc_engine.cli.bench.compare import QUICK, Contest, compare
    from npc_engine.cli.bench.peer import read_peer
    from npc_engine.cli.bench.side_by_side import notes, side_by_side
    from npc_engine.cli.bench.subject import find_subject
    from npc_engine.cli.console import out

    peers = [read_peer(text) for text in peer or ()]
    ours, *others = asyncio.run(compare(find_subject(model, config), peers, QUICK if quick else Contest()))
    out.print(side_by_side(ours, others))
    for line in notes((ours, *others)):
        out.print(line, style="dim", markup=False)


@bench.command()
def tiers(
    npcs: Annotated[int, typer.Option(help="How many NPCs share the tiers.", min=2)] = 1000,
    quick: Quick = False,
    model: Model = None,
    config: Config = None,
) -> None:
    """Measure NPCs that come back from disk and after a kill, memory, and what keeping costs. Takes 5 to 15 minutes."""
    from npc_engine.cli.bench.measure import Figure, shown, table
    from npc_engine.cli.bench.returning import CrowdLoad
    from npc_engine.cli.bench.subject import find_subject
    from npc_engine.cli.bench.tiers import QUICK, TiersLoad, measure_tiers
    from npc_engine.cli.console import err, out

    load = QUICK if quick else TiersLoad(CrowdLoad(npcs))
    subject = find_subject(model, config)
    figures: list[Figure] = []

    async def measure() -> None:
        async for figure in measure_tiers(subject, load):
            err.print(f"{figure.name.strip()}: {shown(figure.value)} {figure.unit}", markup=False)
            figures.append(figure)

    asyncio.run(measure())
    out.print(table(figures))


@bench.command()
def soak(
    minutes: Annotated[float, typer.Option(help="How long the village talks.", min=0.01)] = 10.0,
    quick: Quick = False,
    model: Model = None,
    config: Config = None,
) -> None:
    """Let a village talk while budgets move up and down: is memory flat, and what is kept consistent?"""
    from npc_engine.cli.bench.measure import table
    from npc_engine.cli.bench.soak import QUICK, SoakLoad, measure_soak
    from npc_engine.cli.bench.subject import find_subject
    from npc_engine.cli.console import out

    load = QUICK if quick else SoakLoad(seconds=60 * minutes)
    out.print(table(asyncio.run(measure_soak(find_subject(model, config), load))))


@bench.command()
def perplexity(quick: Quick = False, model: Model = None, config: Config = None) -> None:
    """Measure what int8 weights cost: how well the model predicts a text, with them and without. Takes a minute."""
    from npc_engine.config import load_settings
    from npc_engine.inference.environment import set_environment

    set_environment(load_settings(file=config).kernels)
    from npc_engine.cli.bench.measure import table
    from npc_engine.cli.bench.perplexity import measure_perplexity
    from npc_engine.cli.bench.subject import find_subject
    from npc_engine.cli.console import out

    out.print(table(list(measure_perplexity(find_subject(model, config).folder, tokens=300 if quick else None))))


@bench.command()
def steps(quick: Quick = False, model: Model = None, config: Config = None) -> None:
    """Show where the time of a step goes: decoding for few and for many, and reading. Takes half a minute."""
    from npc_engine.config import load_settings
    from npc_engine.inference.environment import set_environment

    set_environment(load_settings(file=config).kernels)
    from npc_engine.cli.bench.steps import QUICK, StepsLoad, measure_steps
    from npc_engine.cli.bench.subject import find_subject
    from npc_engine.cli.console import out

    for times in measure_steps(find_subject(model, config).folder, QUICK if quick else StepsLoad()):
        out.print(times.explain())


@bench.command()
def actions(quick: Quick = False, model: Model = None, config: Config = None) -> None:
    """Measure how often what NPCs do is valid and sensible, and what offering actions costs. Takes three minutes."""
    from npc_engine.config import load_settings
    from npc_engine.inference.environment import set_environment

    set_environment(load_settings(file=config).kernels)
    from npc_engine.cli.bench.actions import measure_actions
    from npc_engine.cli.bench.measure import Figure, table
    from npc_engine.cli.bench.subject import find_subject
    from npc_engine.cli.console import err, out

    figures: list[Figure] = []

    async def measure() -> None:
        async for found in measure_actions(find_subject(model, config).folder, quick=quick):
            if isinstance(found, Figure):
                figures.append(found)
                continue
            for act, how in ((found.spoken, ""), (found.wordless, "without words: ")):
                deed = f"{act.deed.name} {dict(act.deed.args)}" if act.deed is not None else "none"
                err.print(f"{'+' if act.sensible else '-'} {act.situation.says} -> {how}{deed}", markup=False)

    asyncio.run(measure())
    out.print(table(figures))


@bench.command()
def bridge(
    clients: Annotated[int, typer.Option(help="How many clients are connected.", min=1)] = 1000,
    rate: Annotated[float, typer.Option(help="Messages that they send a second, all together.", min=1)] = 2000.0,
    seconds: Annotated[float, typer.Option(help="For how long.", min=1)] = 30.0,
    frames: Annotated[int, typer.Option(help="Fuzzed frames.", min=1)] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the fuzzed frames.")] = 0,
    quick: Quick = False,
) -> None:
    """Measure the bridge without a model: a crowd, slow readers, fuzzed frames, lost connections. Takes some minutes.

    The load is made on this machine, so it takes processor time from the server that it measures.
    """
    from npc_engine.cli.bench.bridge.measure import QUICK, BridgeLoad, measure_bridge
    from npc_engine.cli.bench.measure import Figure, shown, table
    from npc_engine.cli.console import err, out

    load = QUICK if quick else BridgeLoad(clients=clients, rate=rate, seconds=seconds, frames=frames, seed=seed)
    figures: list[Figure] = []

    async def measure() -> None:
        async for figure in measure_bridge(load):
            err.print(f"{figure.name.strip()}: {shown(figure.value)} {figure.unit}", markup=False)
            figures.append(figure)

    asyncio.run(measure())
    out.print(table(figures))
