"""``npc-engine doctor``: what this machine has, what is here already, and what would be chosen and why."""

import os
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING

from npc_engine.cli.options import Config, Model, given

if TYPE_CHECKING:
    from npc_engine.config import Settings

_PACKAGES = ("npc-engine", "torch", "transformers", "tokenizers", "safetensors", "websockets")


def doctor(model: Model = None, config: Config = None) -> None:
    """Show what this machine has, what is in the cache, and what the engine would choose here and why."""
    from npc_engine.config import load_settings
    from npc_engine.inference.environment import set_environment

    settings = load_settings(given(model=model), config)
    set_environment(settings.kernels)
    _show("Versions", _versions())
    _show("Machine", _machine())
    _show("Folders", _folders(settings))
    _show(f"Model {settings.model}", _choice(settings))


def _show(title: str, rows: Mapping[str, str]) -> None:
    from rich.text import Text

    from npc_engine.cli.console import out, show_rows

    out.print(Text(title, style="bold cyan"))
    show_rows(rows)


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {"python": f"{platform.python_version()} on {platform.platform()}"} | {p: version(p) for p in _PACKAGES}


def _machine() -> dict[str, str]:
    import psutil
    import torch

    from npc_engine.cli.console import size
    from npc_engine.inference.processor import processor_name

    memory = psutil.virtual_memory()
    rows = {
        "processor": processor_name(),
        "cores": f"{psutil.cpu_count(logical=False) or '?'} cores, {os.cpu_count()} threads",
        "instructions": ", ".join(_instructions()),
        "memory": f"{size(memory.total)}, {size(memory.available)} available",
    }
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        rows[f"cuda:{index}"] = f"{gpu.name}, {size(gpu.total_memory)}"
    if torch.cuda.is_available():
        rows["graphics"] = "the engine's work on a GPU is tested on processors only, see docs/engine.md"
    else:
        built = "is built for the processor only" if torch.version.cuda is None else "finds none that it can use"
        rows["graphics"] = f"none: torch {built}"
    return rows


def _instructions() -> list[str]:
    """What torch makes use of. Its fine-grained questions are private and differ by version, so each may be missing."""
    import torch

    found = [torch.backends.cpu.get_cpu_capability()]
    questions = {
        "AVX512-VNNI": "_is_avx512_vnni_supported"
        if hasattr(torch.cpu, "_is_avx512_vnni_supported")
        else "_is_vnni_supported",
        "AVX512-BF16": "_is_avx512_bf16_supported",
        "AMX": "_is_amx_tile_supported",
    }
    for name, question in questions.items():
        ask = getattr(torch.cpu, question, None)
        if ask is not None and ask():
            found.append(name)
    return found


def _folders(settings: "Settings") -> dict[str, str]:
    from npc_engine.cli.console import size
    from npc_engine.config import free_space
    from npc_engine.inference.model.catalog import cached_models

    rows = {
        "cache": f"{settings.cache}, {size(free_space(settings.cache))} free",
        "data": f"{settings.data}, {size(free_space(settings.data))} free",
        "personas": str(settings.personas),
    }
    models = cached_models(settings.cache)
    rows["cached models"] = ", ".join(f"{m.name} ({size(m.size)})" for m in models) or "none yet"
    return rows


def _choice(settings: "Settings") -> dict[str, str]:
    import torch

    from npc_engine.cli.console import size
    from npc_engine.cli.device_budget import default_device_budget
    from npc_engine.cli.progress import ShownProgress
    from npc_engine.errors import OperatorError
    from npc_engine.inference.model.catalog import resolve
    from npc_engine.inference.model.spec import read_spec
    from npc_engine.inference.probe import best_device, checked, probe, races_of, reporting_compiles

    try:
        spec = read_spec(resolve(settings.model, cache=settings.cache, may_fetch=False))
    except OperatorError as error:
        return {"not ready": str(error)}
    torch.set_num_threads(settings.threads or os.cpu_count() or 1)
    dtype = None if settings.dtype == "auto" else getattr(torch, settings.dtype)
    # Anew, and kept: this is the way to have a machine measured again that was busy when it was.
    races = races_of(spec, settings.timings, anew=True)
    with ShownProgress() as progress, reporting_compiles(spec, dtype, best_device(), progress):
        choice = checked(spec, probe(spec, dtype=dtype, weights=settings.weights, races=races))
    per_token = spec.kv_bytes_per_token(choice.dtype)
    least = per_token * min(settings.max_context, spec.max_positions)
    device_budget = settings.device_budget or default_device_budget(choice.device, least)
    rows = {
        "folder": str(spec.folder),
        "chosen": choice.explain(),
        "threads": str(torch.get_num_threads()),
        f"on {choice.device}, speaking": _room(device_budget, per_token),
        "kept in RAM": _room(settings.ram_budget, per_token),
        "kept on disk": f"{size(settings.disk_budget)} in {settings.kv}" if settings.disk_budget else "nothing",
    }
    measured_us = {"linears": choice.linear_us, "attention": choice.decode_us, "attention of prompts": choice.prompt_us}
    for label, timings in measured_us.items():
        if timings:
            measured = (f"{name} {us:,.0f} µs" for name, us in sorted(timings.items(), key=lambda item: item[1]))
            rows[f"{label}, because"] = ", ".join(measured)
    return rows


def _room(budget: int, per_token: int) -> str:
    from npc_engine.cli.console import size

    return f"{size(budget)}, room for {budget // per_token:,} tokens"
