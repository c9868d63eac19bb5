"""``npc-engine serve``: the engine behind its WebSocket, until someone asks it to stop."""

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING

import typer

from npc_engine.cli.options import (
    Config,
    Data,
    DeviceBudget,
    DiskBudget,
    Dtype,
    Host,
    HttpPort,
    MaxBatch,
    MaxContext,
    MockPace,
    Model,
    NeuroPersona,
    NeuroPort,
    Origin,
    Personas,
    Port,
    RamBudget,
    Seed,
    Threads,
    TlsCert,
    TlsKey,
    Token,
    Weights,
    given,
)

if TYPE_CHECKING:
    from npc_engine.cli.startup import Prepared


def serve(
    host: Host = None,
    port: Port = None,
    http_port: HttpPort = None,
    data: Data = None,
    personas: Personas = None,
    model: Model = None,
    token: Token = None,
    origin: Origin = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    config: Config = None,
    threads: Threads = None,
    dtype: Dtype = None,
    weights: Weights = None,
    max_batch: MaxBatch = None,
    max_context: MaxContext = None,
    device_budget: DeviceBudget = None,
    ram_budget: RamBudget = None,
    disk_budget: DiskBudget = None,
    seed: Seed = None,
    mock_pace: MockPace = None,
    neuro_port: NeuroPort = None,
    neuro_persona: NeuroPersona = None,
) -> None:
    """Start the engine and let games connect. Ctrl-C or SIGTERM ends it: running replies are finished first."""
    from npc_engine.cli.console import err
    from npc_engine.cli.loop import loop_factory
    from npc_engine.cli.progress import ShownProgress
    from npc_engine.cli.signals import interruptible
    from npc_engine.cli.startup import prepare
    from npc_engine.config import load_settings

    flags = given(
        host=host,
        port=port,
        http_port=http_port,
        data=data,
        personas=personas,
        model=model,
        token=token,
        origin=origin or None,
        tls_cert=tls_cert,
        tls_key=tls_key,
        threads=threads,
        dtype=dtype,
        weights=weights,
        max_batch=max_batch,
        max_context=max_context,
        device_budget=device_budget,
        ram_budget=ram_budget,
        disk_budget=disk_budget,
        seed=seed,
        mock_pace=mock_pace,
        neuro_port=neuro_port,
        neuro_persona=neuro_persona,
    )
    try:
        with (
            interruptible() as interrupts,
            ShownProgress() as progress,
            prepare(load_settings(flags, config), progress) as prepared,
        ):
            interrupts.check()
            progress.end()
            err.print(_describe(prepared), markup=False)
            err.print(f"{prepared.settings.model}: {prepared.voice.explanation}", markup=False)
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(_serve(prepared))
    except KeyboardInterrupt:
        # Asked to stop while it was still starting: nothing was promised to anyone yet.
        raise typer.Exit(0) from None


def _describe(prepared: "Prepared") -> str:
    """What this server is and what it serves, in one line."""
    worlds = ", ".join(
        f"{id} ({len(world.personas)} persona{'' if len(world.personas) == 1 else 's'})"
        for id, world in prepared.library.items()
    )
    return f"npc-engine {version('npc-engine')}: {worlds}; data in {prepared.data.path}"


async def _serve(prepared: "Prepared") -> None:
    from npc_engine.cli.signals import stop_event
    from npc_engine.cli.startup import serving

    stop = stop_event()
    async with serving(prepared) as doors:
        # Whoever started this waits for the first line, through a pipe as likely as not.
        print(f"listening on {doors.websocket.url}", flush=True)
        if doors.http is not None:
            print(f"listening on {doors.http.url}", flush=True)
        if doors.neuro is not None:
            print(f"listening on {doors.neuro.url} for games of the Neuro SDK", flush=True)
        await stop.wait()
        print("stopping", flush=True)
