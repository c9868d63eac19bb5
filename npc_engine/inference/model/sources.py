"""Which code something was made or measured with."""

from hashlib import blake2b
from pathlib import Path


def code_fingerprint(folder: Path) -> str:
    """What names the Python files in ``folder`` and below: other code has another one, wherever it lies."""
    digest = blake2b(digest_size=8)
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()} ".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
