"""Files that other processes see whole or not at all."""

import os
import tempfile
from pathlib import Path


def publish(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, in place of what is there. Raises OSError, and then leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # Fails on Windows while another process reads what is there: it is as good.
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
