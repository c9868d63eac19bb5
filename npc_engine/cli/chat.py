"""``npc-engine chat``: talk to one NPC in the terminal."""

import asyncio
import secrets
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from npc_engine.cli.options import Config, Data, Model, Personas, Token, given

if TYPE_CHECKING:
    from bridge.client import Client
    from bridge.protocol import Timings, Usage
    from npc_engine.cli.background import BackgroundLoop
    from npc_engine.config import Settings

_LOCAL = "127.0.0.1"


def chat(
    npc: Annotated[str, typer.Argument(help="Whom to talk to: a persona's name.")],
    player: Annotated[str, typer.Option("--as", help="Who you are to them.")] = "Traveller",
    persona: Annotated[str | None, typer.Option(help="Their persona.", show_default="the same name")] = None,
    url: Annotated[
        str | None, typer.Option(help="A running server.", show_default="the local one, or an engine of its own")
    ] = None,
    timings: Annotated[bool, typer.Option("--timings", help="Show how fast each answer came.")] = False,
    data: Data = None,
    personas: Personas = None,
    model: Model = None,
    token: Token = None,
    config: Config = None,
) -> None:
    """Talk to an NPC. An empty line is silence; Ctrl-C stops an answer, Ctrl-D ends the talk."""
    from npc_engine.cli.background import BackgroundLoop
    from npc_engine.cli.console import out
    from npc_engine.cli.signals import interruptible
    from npc_engine.config import load_settings
    from npc_engine.errors import OperatorError

    flags = given(data=data, personas=personas, model=model)
    if url is not None and flags:
        wrong = " and ".join(f"--{flag}" for flag in flags)
        raise OperatorError(
            f"{wrong} can't go together with --url.",
            remedy="A running server has its own; leave them out, or leave out --url to start an engine for this talk.",
        )
    settings = load_settings({**flags, **given(token=token)}, config)
    own_engine = bool(flags)
    try:
        with interruptible(), BackgroundLoop() as loop, _client(loop, settings, url, own_engine=own_engine) as client:
            loop.run(client.spawn(npc, persona or npc))
            out.print(f"You are talking to {npc}. Ctrl-D ends it.", style="dim", markup=False)
            for line in _lines():
                _converse(loop, client, npc, line, player, timings=timings)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@contextmanager
def _client(loop: "BackgroundLoop", settings: "Settings", url: str | None, *, own_engine: bool) -> "Iterator[Client]":
    """A client of the server at ``url``, of one that runs here anyway, or of one that is started for this talk."""
    from bridge.client import Client, ServerUnreachable
    from bridge.tls import trusting

    if not own_engine or url is not None:
        scheme, tls = ("ws", None) if settings.tls_cert is None else ("wss", trusting(settings.tls_cert))
        client = Client(url or f"{scheme}://{_LOCAL}:{settings.port}", token=settings.secret, tls=tls, name="chat")
        try:
            loop.run(client.__aenter__())
        except ServerUnreachable:
            if url is not None:
                raise
        else:
            try:
                yield client
            finally:
                loop.run(client.close())
            return
    from npc_engine.cli.progress import ShownProgress
    from npc_engine.cli.startup import prepare, serving

    async def start(stack: AsyncExitStack) -> Client:
        doors = await stack.enter_async_context(serving(prepared))
        return await stack.enter_async_context(Client(doors.websocket.url, token=prepared.settings.secret, name="chat"))

    with ShownProgress() as progress:
        progress.begin("Starting an engine for this talk")
        with _explained(own_engine), prepare(_private(settings), progress) as prepared:
            progress.end()
            stack = AsyncExitStack()
            try:
                yield loop.run(start(stack))
            finally:
                loop.run(stack.aclose())


def _private(settings: "Settings") -> "Settings":
    """``settings`` for an engine that nobody else gets at: its port and its token are told to no one.

    It has a socket all the same, so that what is tried here is what a game gets.
    """
    from pydantic import SecretStr

    doors = {"host": _LOCAL, "port": 0, "http_port": 0, "neuro_port": 0, "tls_cert": None, "tls_key": None}
    return settings.model_copy(update={**doors, "origin": (), "token": SecretStr(secrets.token_urlsafe())})


@contextmanager
def _explained(own_engine: bool) -> "Iterator[None]":
    """If the data folder is in use although flags asked for an engine of its own, say what those flags do."""
    from npc_engine.errors import OperatorError
    from npc_engine.store import FolderInUse

    try:
        yield
    except FolderInUse as error:
        if not own_engine:
            raise
        raise OperatorError(
            error.message,
            remedy="With --personas, --model or --data, chat starts an engine of its own: give it a folder of its own "
            "with --data, or leave these flags out to talk to the server that runs.",
        ) from None


def _lines() -> Iterator[str]:
    """What the player types, until there is no more."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt).strip()
        except EOFError:
            return
        if line:
            yield line


def _converse(loop: "BackgroundLoop", client: "Client", npc: str, line: str, player: str, *, timings: bool) -> None:
    from npc_engine.cli.console import out, show_error
    from npc_engine.errors import NpcEngineError, OperatorError

    async def speak() -> None:
        reply = client.say(npc, line, speaker=player)
        out.print(f"{npc}: ", style="bold green", end="", markup=False)
        try:
            async for piece in reply:
                out.print(piece, end="", markup=False)
            done = await reply
        except asyncio.CancelledError:
            reply.cancel()
            raise
        out.print()
        if timings and done.timings is not None and done.usage is not None:
            out.print(_describe(done.usage, done.timings), style="dim", markup=False)

    try:
        loop.run(speak())
    except KeyboardInterrupt:
        out.print(" ...")
    except OperatorError:
        raise
    except NpcEngineError as error:
        # A line that was refused does not end the talk.
        out.print()
        show_error(error)


def _describe(usage: "Usage", timings: "Timings") -> str:
    speaking = timings.total - timings.first_token
    speed = f", {(usage.completion_tokens - 1) / speaking:.0f} tokens/s" if speaking > 0 else ""
    return (
        f"first word after {timings.first_token * 1000:.0f} ms (waited {timings.queue * 1000:.0f}, restored "
        f"{timings.restore * 1000:.0f}, read {timings.prefill * 1000:.0f}); {usage.completion_tokens} tokens in "
        f"{timings.total:.2f} s{speed}; {usage.cached_tokens} of {usage.prompt_tokens} prompt tokens were known"
    )
