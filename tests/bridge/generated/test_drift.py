"""The generated files in the repository are those that the models give."""

import subprocess
import sys
from pathlib import Path

from bridge.protocol.generate.artifacts import JAVA, artifacts, is_generated, write_artifacts
from tests.bridge.generated.toolbox import ROOT


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_is_in_the_repository_is_what_the_models_give(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bridge.protocol.generate", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, stdout=subprocess.DEVNULL)
    fresh = files(tmp_path)
    assert set(fresh) == set(artifacts())
    drifted = [path for path, text in fresh.items() if not (ROOT / path).exists() or (ROOT / path).read_bytes() != text]
    assert drifted == [], "run `python -m bridge.protocol.generate` and commit what it writes"


def test_no_class_is_left_of_a_message_that_is_gone() -> None:
    generated = {path.name for path in (ROOT / JAVA).glob("*.java") if is_generated(path)}
    assert generated == {Path(path).name for path in artifacts() if path.endswith(".java")}


def test_writing_again_changes_nothing_and_removes_what_is_gone(tmp_path: Path) -> None:
    assert len(write_artifacts(tmp_path)) == len(artifacts())
    assert write_artifacts(tmp_path) == []
    gone, kept = tmp_path / JAVA / "Gone.java", tmp_path / JAVA / "Wire.java"
    gone.write_text((tmp_path / JAVA / "Ok.java").read_text("utf-8"), "utf-8")
    kept.write_text("package dev.npcengine.protocol;\n", "utf-8")
    assert write_artifacts(tmp_path) == [gone]
    assert (gone.exists(), kept.exists()) == (False, True)
