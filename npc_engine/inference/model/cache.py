"""The folder that all data folders share: models, converted once and ready to load.

``<cache>/models/<name>/`` is complete if it exists: it is made under another name and renamed when it is whole. One
process makes a model while others that want the same one wait.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from npc_engine.errors import OperatorError
from npc_engine.inference.model.folder import check_folder, folder_bytes
from npc_engine.inference.model.progress import Progress
from npc_engine.inference.model.room import disk_full, is_full

_ORIGIN = "origin.json"
_PARTIAL = ".partial-"


@dataclass(frozen=True, slots=True)
class CachedModel:
    """One model of the cache. ``origin`` is what it was made from, as ``--model`` takes it; ``size`` in bytes."""

    name: str
    origin: str
    folder: Path
    size: int


class ModelCache:
    """The models below one cache folder. Creates nothing until there is something to keep, and never if ``frozen``."""

    def __init__(self, cache: Path, *, frozen: bool = False) -> None:
        self.folder = cache.absolute() / "models"
        self._frozen = frozen

    def find(self, name: str) -> Path | None:
        """The folder of a whole model, or None if it was never made. Raises OperatorError if it is damaged."""
        folder = self.folder / name
        if not folder.is_dir():
            return None
        check_folder(folder, remedy=f"Delete {folder} and start again: the model is then made anew.")
        return folder

    def provide(self, name: str, origin: str, make: Callable[[Path, Path], None], report: Progress) -> Path:
        """The folder of model ``name``, made now by ``make(target, work)`` if it is not there or is damaged.

        ``target`` does not exist yet and becomes the model's folder; ``work`` is an empty folder for what is only
        needed meanwhile. Raises OperatorError when there is no room, no right to write, or ``make`` raises it; when
        the cache is frozen, also for what is not there.
        """
        if self._frozen:
            if (found := self.find(name)) is None:
                raise OperatorError(f"{origin} is not in the cache.", remedy=f"Run 'npc-engine models pull {origin}'.")
            return found
        if self._is_sound(name):
            return self.folder / name
        try:
            return self._make(name, origin, make, report)
        except OSError as error:
            if is_full(error):
                raise disk_full(self.folder) from error
            raise OperatorError(
                f"The cache folder {self.folder} can't be used ({error}).",
                remedy="Give this user the right to write there, or set NPC_ENGINE_CACHE to another folder.",
            ) from error

    def models(self) -> list[CachedModel]:
        """What is there, by name, sound or not."""
        if not self.folder.is_dir():
            return []
        folders = sorted(path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        return [CachedModel(path.name, _origin(path), path, folder_bytes(path)) for path in folders]

    def _is_sound(self, name: str) -> bool:
        try:
            return self.find(name) is not None
        except OperatorError:
            return False

    def _make(self, name: str, origin: str, make: Callable[[Path, Path], None], report: Progress) -> Path:
        # Only here: with a warm cache nothing is locked, and nothing that is slow to import is needed.
        from filelock import FileLock, Timeout

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            report.begin(f"Waiting for another process that is preparing {name}")
            lock.acquire()
        try:
            if self._is_sound(name):
                return self.folder / name
            for left_over in self._left_over(name):
                shutil.rmtree(left_over, ignore_errors=True)
            return self._make_alone(name, origin, make, report)
        finally:
            lock.release()

    def _make_alone(self, name: str, origin: str, make: Callable[[Path, Path], None], report: Progress) -> Path:
        final = self.folder / name
        # A new name each time: whatever outlived a killed process can't write into this one.
        work = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{name}-", dir=self.folder))
        try:
            target = work / "model"
            make(target, work)
            check_folder(target, remedy="This should not happen: please report it.")
            (target / _ORIGIN).write_text(json.dumps({"origin": origin}), encoding="utf-8")
            _reach_the_disk(target)
            if final.exists():
                report.say(f"The cached copy of {name} was damaged and has been made anew.")
                final.rename(work / "damaged")
            target.rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return final

    def _left_over(self, name: str) -> Iterator[Path]:
        # Names may begin alike, so the random part behind the last dash is cut off first.
        for path in self.folder.glob(f"{_PARTIAL}*"):
            if path.name.removeprefix(_PARTIAL).rpartition("-")[0] == name:
                yield path


def _origin(folder: Path) -> str:
    try:
        return str(json.loads((folder / _ORIGIN).read_text(encoding="utf-8"))["origin"])
    except (OSError, ValueError, KeyError, TypeError):
        return folder.name


def _reach_the_disk(folder: Path) -> None:
    """A power cut after the rename must not leave a folder of empty files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
