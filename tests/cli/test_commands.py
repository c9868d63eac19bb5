"""The commands as a user meets them: output, exit codes, and no traceback for what they can mend."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from npc_engine.cli import main
from npc_engine.cli.console import size
from npc_engine.cli.progress import ShownProgress
from npc_engine.config import example_worlds
from tests.tiny import make_tiny


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Run a command line in this process; gives exit code, stdout and stderr."""
    monkeypatch.setenv("NPC_ENGINE_CACHE", str(tmp_path / "cache"))

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["npc-engine", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("cli") / "tiny")


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_help_and_lint_load_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'numpy', 'websockets', 'npc_engine.inference'} & set(sys.modules)"
    for arguments in (["--help"], ["serve", "--help"], ["lint", str(example_worlds())]):
        done = python(
            "import sys; from npc_engine.cli import main\n"
            f"sys.argv = ['npc-engine', *{arguments!r}]\n"
            f"try: main()\nexcept SystemExit as e: assert not e.code, e.code\nassert not {heavy}, {heavy}\n"
        )
        assert done.returncode == 0, done.stderr


def test_the_version_is_told(run) -> None:
    assert run("--version")[:2] == (0, "npc-engine 0.1.0\n")


def test_what_the_user_can_mend_is_said_without_a_traceback(run) -> None:
    code, out, err = run("models", "info", "no-such-model")
    assert (code, out) == (1, "")
    assert "There is no model 'no-such-model'." in err
    assert "Traceback" not in err


def test_what_nobody_expected_keeps_its_traceback(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npc_engine.config.load_settings", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("models", "list")


def test_lint_counts_errors_on_stdout_and_lets_warnings_pass(run, tmp_path: Path) -> None:
    files = sum(1 for _ in example_worlds().glob("*/*.yaml"))
    assert run("lint", str(example_worlds())) == (0, f"{files} files checked: 0 errors, 0 warnings\n", "")
    world = shutil.copytree(next(path for path in example_worlds().iterdir() if path.is_dir()), tmp_path / "world")
    persona = next(path for path in sorted(world.glob("*.yaml")) if not path.name.startswith("world"))
    with persona.open("a", encoding="utf-8") as file:
        file.write("\nsumary: typo\n")
    code, out, err = run("lint", str(world))
    assert (code, err) == (1, "")
    *problems, summary = out.splitlines()
    assert any(f"{persona}:" in problem and "summary" in problem for problem in problems)
    assert "checked: 1 error, " in summary
    assert run("lint", str(persona))[1].splitlines()[-1].startswith("1 file checked: 1 error, ")


def test_chat_with_a_named_server_takes_no_flags_for_an_engine_of_its_own(run) -> None:
    code, _, err = run("chat", "ada", "--url", "ws://127.0.0.1:9", "--data", "d", "--model", "m")
    assert code == 1
    assert "--data and --model can't go together with --url." in err
    assert "leave out --url" in err


def test_models_are_listed_before_and_after_they_are_there(run, tiny: Path, tmp_path: Path) -> None:
    code, out, _ = run("models", "list")
    assert code == 0
    assert out.splitlines()[1].split()[0] == "smollm2-135m"
    assert out.split()[-1] == "no"
    shutil.copytree(tiny, tmp_path / "cache" / "models" / "other")
    (tmp_path / "cache" / "models" / "other" / "origin.json").write_text(json.dumps({"origin": "org/other"}))
    assert "org/other" in run("models", "list")[1]


def test_a_folder_can_be_pulled_and_described(run, tiny: Path) -> None:
    code, out, _ = run("models", "pull", str(tiny))
    assert (code, out) == (0, f"ready in {tiny}\n")
    code, out, _ = run("models", "info", str(tiny))
    assert code == 0
    assert "llama" in out
    assert "1,024 tokens" in out


def test_info_fetches_nothing(run) -> None:
    code, _, err = run("models", "info")
    assert code == 1
    assert "npc-engine models pull smollm2-135m" in err


def test_doctor_says_what_is_here_and_what_is_not(
    run, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Which comes before torch is loaded, as it is here.
    monkeypatch.setattr("npc_engine.inference.environment.set_environment", lambda _: None)
    code, out, _ = run("doctor")
    assert code == 0
    assert "not in the cache" in out
    assert str(tmp_path / "cache") in out
    chosen = run("doctor", "--model", str(tiny))[1]
    for wanted in ("because", "on cpu, speaking", "kept in RAM", "kept on disk"):
        assert wanted in chosen


def test_sizes_read_well() -> None:
    assert [size(n) for n in (0, 999, 1500, 272_585_347, 10**12)] == ["0 B", "999 B", "1.5 kB", "273 MB", "1.0 TB"]


def test_progress_that_nobody_watches_is_one_line_a_step(capsys: pytest.CaptureFixture[str]) -> None:
    with ShownProgress() as progress:
        progress.say("first time here")
        progress.begin("Downloading [x]", 100)
        progress.advance(50)
    assert capsys.readouterr().err == "first time here\nDownloading [x] ...\n"


def test_a_long_step_that_nobody_watches_says_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    progress = ShownProgress()

    def advance(done: int, at: float) -> None:
        nonlocal now
        now = at
        progress.advance(done)

    progress.begin("Compiling", 17, "kernels")
    advance(1, at=5.0)
    advance(3, at=11.0)
    advance(4, at=15.0)
    progress.begin("Downloading", 93_000_000)
    advance(9_000_000, at=16.0)
    advance(60_000_000, at=26.0)
    progress.begin("Converting")
    advance(5, at=99.0)
    assert capsys.readouterr().err.splitlines() == [
        "Compiling ...",
        "  3 of 17 kernels",
        "Downloading ...",
        "  60.0 MB of 93.0 MB",
        "Converting ...",
    ]
