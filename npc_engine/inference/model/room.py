"""Disk space: asked for before the work, and named when it ran out in the middle of it."""

import errno
import shutil
from pathlib import Path

from npc_engine.errors import OperatorError


def require_room(folder: Path, needed: int) -> None:
    """Raise OperatorError unless the disk of ``folder`` (which exists) has ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OperatorError(
            f"The disk is too full: {needed // 10**6:,} MB are needed in {folder}, and {free // 10**6:,} MB are free.",
            remedy=_remedy(),
        )


def is_full(error: BaseException) -> bool:
    """Whether ``error`` says that a disk or a quota is full. Libraries wrap the system's error in their own."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return is_full_text(str(error))


def is_full_text(text: str) -> bool:
    """Whether a program's last words say that a disk is full."""
    return any(phrase in text for phrase in ("No space left on device", "Disk quota exceeded", "os error 112"))


def disk_full(folder: Path) -> OperatorError:
    """The error for a disk that filled up while ``folder`` was written. Nothing half-written is ever used."""
    return OperatorError(f"The disk is full: the model can't be stored in {folder}.", remedy=_remedy())


def _remedy() -> str:
    return "Make room there, or set NPC_ENGINE_CACHE to a folder on a larger disk."
