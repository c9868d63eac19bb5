"""Options that several commands share. None means: not given here, so the file or the environment may say."""

from pathlib import Path
from typing import Annotated, Any

import typer

Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.", show_default="8765")]
HttpPort = Annotated[int | None, typer.Option(help="Port for OpenAI's HTTP API; 0 turns it off.", show_default="8766")]
NeuroPort = Annotated[
    int | None, typer.Option(help="Port for games of the Neuro game SDK; 0 turns it off.", show_default="0")
]
NeuroPersona = Annotated[str | None, typer.Option(help="The persona that plays those games.", show_default="none")]
Data = Annotated[Path | None, typer.Option(help="Folder for journals.", show_default="the user's data folder")]
Personas = Annotated[Path | None, typer.Option(help="Folder of worlds.", show_default="the example worlds")]
Model = Annotated[
    str | None,
    typer.Option(
        help="A built-in name, a folder, a .gguf file, a Hugging Face id, or mock: no model, lines that come again.",
        show_default="default",
    ),
]
Seed = Annotated[int | None, typer.Option(help="Lets answers come again.", show_default="none; 0 for the mock", min=0)]
MockPace = Annotated[float | None, typer.Option(help="Seconds that the mock takes for a token.", show_default="0")]
Token = Annotated[str | None, typer.Option(help="What clients must know to be let in.", show_default="none")]
Origin = Annotated[
    list[str] | None,
    typer.Option(help="A web page that may connect, such as https://example.org. Repeatable.", show_default="none"),
]
TlsCert = Annotated[Path | None, typer.Option(help="Certificate for TLS, a PEM file.", show_default="no TLS")]
TlsKey = Annotated[Path | None, typer.Option(help="Its key, a PEM file.", show_default="in the certificate's file")]
Config = Annotated[Path | None, typer.Option(help="A TOML file of settings.", envvar="NPC_ENGINE_CONFIG")]
Threads = Annotated[int | None, typer.Option(help="Processor threads to use.", show_default="as many as have cores")]
Dtype = Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.", show_default="auto")]
Weights = Annotated[
    str | None,
    typer.Option(help="exact, int8 (faster, nearly the same), or auto: the faster one.", show_default="auto"),
]
MaxBatch = Annotated[int | None, typer.Option(help="NPCs that may speak at once.", show_default="32")]
MaxContext = Annotated[int | None, typer.Option(help="Tokens that a prompt may take.", show_default="4096")]
DeviceBudget = Annotated[
    str | None,
    typer.Option(
        help="Memory of the compute device for NPCs that speak, such as 2GiB.",
        show_default="a quarter, without CUDA at most 1GiB",
    ),
]
RamBudget = Annotated[
    str | None,
    typer.Option(help="Memory for what NPCs keep in mind, such as 512MB.", show_default="a quarter, at most 1GiB"),
]
DiskBudget = Annotated[
    str | None,
    typer.Option(
        help="Disk space for what NPCs keep in mind, such as 8GiB; 0 for none.",
        show_default="a tenth of what is free, at most 4GiB",
    ),
]


def given(**flags: Any) -> dict[str, Any]:
    """The flags that were given."""
    return {key: value for key, value in flags.items() if value is not None}
