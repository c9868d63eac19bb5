"""One engine at a time uses a data folder, and whoever can't is told why."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from npc_engine.errors import OperatorError
from npc_engine.store import DataFolder, Journal, NewEntry

HOLD = """
import sys, time
from pathlib import Path
from npc_engine.store import DataFolder
folder = DataFolder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "a" / "b") as folder:
        assert folder.path.is_dir()


def test_a_second_instance_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data"), pytest.raises(OperatorError) as refusal:
        DataFolder(tmp_path / "data")
    assert str(tmp_path / "data") in refusal.value.message
    assert "--data" in refusal.value.remedy
    DataFolder(tmp_path / "data").close()


def test_a_killed_instance_lets_go(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(OperatorError, match="in use"):
            DataFolder(tmp_path)
        process.kill()
    DataFolder(tmp_path).close()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_no_data_folder(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="not a folder"):
        DataFolder(tmp_path / "file" / below)


def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    # The super-user may write anywhere, so the system's refusal is played.
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OperatorError, match="can't be written to") as refusal:
        DataFolder(tmp_path / "data")
    assert "--data" in refusal.value.remedy


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps rights in lists, not in modes")
def test_what_players_said_is_for_their_eyes_only(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder:
        assert folder.path.stat().st_mode & 0o077 == 0


async def test_any_name_will_do(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "Ödland #1 100% a&b") as folder:
        async with await Journal.open(folder) as journal:
            await journal.append([NewEntry(npc="greta", kind="event", text="rain")])
        assert (folder.path / "journal.db").is_file()
