"""The data folder, which one engine at a time may use."""

from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from npc_engine.errors import OperatorError
from npc_engine.store.failure import describe_failure


class FolderInUse(OperatorError):
    """Another engine holds the data folder."""


class DataFolder:
    """A folder held by this process for as long as the object is open.

    The lock belongs to the process, not to a file's existence: the system frees it when the process ends,
    however it ends. Use as a context manager, or call ``close``.
    """

    def __init__(self, path: Path) -> None:
        """Create ``path`` if need be and lock it. Raises ``FolderInUse``, or ``OperatorError`` if it is unusable."""
        self.path = path.absolute()
        self._lock = FileLock(self.path / "lock", timeout=0, thread_local=False)
        try:
            # What players said is nobody else's business.
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise FolderInUse(
                f"The data folder {self.path} is in use by another NPC Engine.",
                remedy="Stop that one, or give this one a folder of its own with --data.",
            ) from None
        except (FileExistsError, NotADirectoryError):
            raise OperatorError(
                f"The data folder {self.path} is not a folder, or lies below something that is not.",
                remedy="Choose another with --data.",
            ) from None
        except OSError as error:
            raise describe_failure(error, self.path) from error

    def close(self) -> None:
        """Let go of the folder. Harmless when called again."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
