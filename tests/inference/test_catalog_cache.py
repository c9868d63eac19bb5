"""The cache publishes whole models only, whoever else is at work and whatever breaks."""

import errno
import shutil
import threading
from pathlib import Path

import pytest

from npc_engine.errors import OperatorError
from npc_engine.inference.model.cache import ModelCache
from npc_engine.inference.model.progress import Silent
from npc_engine.inference.model.room import require_room
from tests.tiny import make_tiny


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("cached") / "tiny")


class Recorder(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)

    def begin(self, step: str, total: int | None = None, unit: str = "bytes") -> None:
        self.heard.append(step)


def test_a_model_is_made_once_and_remembers_its_origin(whole: Path, tmp_path: Path) -> None:
    cache, calls = ModelCache(tmp_path), list[Path]()

    def make(target: Path, work: Path) -> None:
        calls.append(work)
        shutil.copytree(whole, target)

    folders = {cache.provide("tiny", "/where/it/was.gguf", make, Silent()) for _ in range(3)}
    assert folders == {tmp_path / "models" / "tiny"}
    assert len(calls) == 1
    assert not calls[0].exists()
    (model,) = cache.models()
    assert (model.name, model.origin) == ("tiny", "/where/it/was.gguf")
    assert model.size > 10_000


def test_a_failed_conversion_leaves_nothing(whole: Path, tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)

    def fail(target: Path, work: Path) -> None:
        shutil.copytree(whole, target)
        raise OperatorError("no")

    with pytest.raises(OperatorError, match="no"):
        cache.provide("tiny", "tiny", fail, Silent())
    assert cache.models() == []
    assert [path.name for path in (tmp_path / "models").iterdir()] == [".tiny.lock"]


def test_a_half_written_conversion_is_never_published(whole: Path, tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)

    def half(target: Path, work: Path) -> None:
        shutil.copytree(whole, target)
        (target / "model.safetensors").write_bytes(b"")

    with pytest.raises(OperatorError, match=r"model\.safetensors"):
        cache.provide("tiny", "tiny", half, Silent())
    assert cache.find("tiny") is None


def test_what_a_killed_process_left_behind_is_swept_and_only_that(whole: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    for name in (".partial-tiny-abc", ".partial-tiny-two-abc"):
        (models / name / "model").mkdir(parents=True)
    ModelCache(tmp_path).provide("tiny", "tiny", lambda target, _: _copy(whole, target), Silent())
    assert not (models / ".partial-tiny-abc").exists()
    assert (models / ".partial-tiny-two-abc").exists()


def test_a_damaged_copy_is_refused_when_looked_up_and_mended_when_provided(whole: Path, tmp_path: Path) -> None:
    cache, told = ModelCache(tmp_path), Recorder()
    folder = cache.provide("tiny", "tiny", lambda target, _: _copy(whole, target), told)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-7])
    with pytest.raises(OperatorError, match="cut short"):
        cache.find("tiny")
    assert cache.provide("tiny", "tiny", lambda target, _: _copy(whole, target), told) == folder
    assert (folder / "model.safetensors").read_bytes() == weights
    assert any("damaged" in text for text in told.heard)


def test_a_second_process_waits_and_uses_what_the_first_made(whole: Path, tmp_path: Path) -> None:
    started, finish = threading.Event(), threading.Event()
    calls, told, found = list[str](), Recorder(), list[Path]()

    def slow(target: Path, work: Path) -> None:
        calls.append("first")
        started.set()
        assert finish.wait(30)
        shutil.copytree(whole, target)

    def never(target: Path, work: Path) -> None:
        calls.append("second")

    first = threading.Thread(target=lambda: found.append(ModelCache(tmp_path).provide("tiny", "tiny", slow, Silent())))
    first.start()
    assert started.wait(30)
    second = threading.Thread(target=lambda: found.append(ModelCache(tmp_path).provide("tiny", "tiny", never, told)))
    second.start()
    while not told.heard:
        assert second.is_alive()
    assert "Waiting for another process" in told.heard[0]
    finish.set()
    first.join(30)
    second.join(30)
    assert calls == ["first"]
    assert found == [tmp_path / "models" / "tiny"] * 2


def test_a_frozen_cache_gives_what_it_has_and_makes_nothing(whole: Path, tmp_path: Path) -> None:
    frozen = ModelCache(tmp_path, frozen=True)
    with pytest.raises(OperatorError, match="models pull tiny"):
        frozen.provide("tiny", "tiny", lambda target, _: _copy(whole, target), Silent())
    assert not list(tmp_path.iterdir())
    made = ModelCache(tmp_path).provide("tiny", "tiny", lambda target, _: _copy(whole, target), Silent())
    assert frozen.provide("tiny", "tiny", lambda target, _: None, Silent()) == made


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    def full(target: Path, work: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OperatorError, match=r"disk is full.*NPC_ENGINE_CACHE"):
        ModelCache(tmp_path).provide("tiny", "tiny", full, Silent())


def test_a_disk_that_will_be_full_is_named_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="too full"):
        require_room(tmp_path, 1 << 60)


def test_a_cache_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cache folder"):
        ModelCache(tmp_path / "file").provide("tiny", "tiny", lambda target, work: None, Silent())


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)
