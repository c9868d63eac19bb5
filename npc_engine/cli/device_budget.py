"""How much memory of the compute device attention state may take: decided where the device is known."""

import psutil
import torch

from npc_engine.cli.console import size
from npc_engine.errors import OperatorError

_SHARE = 4
_MOST_WITHOUT_CUDA = 1 << 30


def default_device_budget(device: torch.device, least: int) -> int:
    """Bytes for NPCs that speak: a quarter of what ``device`` has free; on a processor, of all memory, at most 1 GiB.

    The model's weights and the game take most of the rest. ``least``, what one context needs, is always allowed.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return max(free // _SHARE, least)
    return max(min(psutil.virtual_memory().total // _SHARE, _MOST_WITHOUT_CUDA), least)


def check_device_budget(budget: int, least: int, max_context: int) -> None:
    """Raise OperatorError for a budget that one context does not fit into."""
    if budget < least:
        raise OperatorError(
            f"A device_budget of {size(budget)} does not hold one context of {max_context} tokens.",
            remedy=f"Allow at least {least:,} bytes, or lower --max-context.",
        )
