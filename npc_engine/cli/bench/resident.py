"""Where a server's memory goes: the model, what its budgets allow, and everything else."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.protocol.answers import TierUse
from npc_engine.cli.bench.measure import Figure

_EVERYTHING_ELSE = 300e6


def weight_bytes(folder: Path) -> int:
    """Bytes of the weights of the model in ``folder``, in the dtype that is chosen for it on this machine."""
    from npc_engine.inference.model.folder import count_parameters
    from npc_engine.inference.model.spec import read_spec
    from npc_engine.inference.probe import probe

    return count_parameters(folder) * probe(read_spec(folder)).dtype.itemsize


def memory_figures(resident: int, model: int, tiers: Mapping[str, TierUse]) -> Iterator[Figure]:
    """``resident`` bytes beside what the model and the budgets of ``tiers`` allow, and its parts."""
    held = {name: tier for name, tier in tiers.items() if name != "disk"}
    allowed = model + sum(tier.budget for tier in held.values()) + _EVERYTHING_ELSE
    rest = resident - model - sum(tier.used for tier in held.values())
    yield Figure("resident memory", resident / 1e6, "MB", allowed / 1e6, note="aim: model + budgets + 300 MB")
    yield Figure("  the model", model / 1e6, "MB", note="its weights, once, in the dtype chosen here")
    for name, tier in held.items():
        yield Figure(f"  kept: {name}", tier.used / 1e6, "MB", tier.budget / 1e6, note="aim: its budget")
    yield Figure("  everything else", rest / 1e6, "MB", _EVERYTHING_ELSE / 1e6, note="Python, torch, buffers")
