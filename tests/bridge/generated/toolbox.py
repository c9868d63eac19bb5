"""Tools of other languages that tests need. Without one a test is skipped, but not where all is to be checked."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NPM = ROOT / "tests" / "bridge" / "npm"


def npm_file(path: str) -> Path:
    """A file that npm has installed beside the tests; skips where it has not."""
    found = NPM / "node_modules" / path
    return found if found.exists() else _missing(f"{path}: run `npm ci --prefix {NPM.relative_to(ROOT)}`")


def program(name: str, remedy: str) -> Path:
    """A program on the path; skips where there is none."""
    found = shutil.which(name)
    return Path(found) if found else _missing(f"{name}: {remedy}")


def succeed(command: Sequence[str | Path], folder: Path) -> str:
    """Run ``command`` and return what it printed. Fails with it if the command does."""
    run = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _missing(what: str) -> Path:
    if os.environ.get("CI"):
        pytest.fail(f"not installed: {what}")
    pytest.skip(f"not installed: {what}")
