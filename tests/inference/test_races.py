"""Claims about what is measured at a start, and what is kept of it for the next ones."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from npc_engine.inference import races as module
from npc_engine.inference.races import STEADY, Races

ABOUT = {"processor": "one"}


class Contest:
    """Two contenders that take as long as they are told, and count how often they are asked to race."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.us = 0, {"hare": 10.0, "tortoise": 20.0}
        self.load = 0.0
        monkeypatch.setattr(module, "_microseconds", lambda run: run())
        monkeypatch.setattr("psutil.getloadavg", lambda: (self.load, 0.0, 0.0))

    def runs(self) -> Mapping[str, Callable[[], object]]:
        self.asked += 1
        return {who: lambda who=who: self.us[who] for who in self.us}  # type: ignore[misc]

    def start(self, folder: Path | None, about: Mapping[str, str] = ABOUT, *, anew: bool = False) -> dict[str, float]:
        """What one start of the engine does."""
        races = Races(about, folder, anew=anew)
        best = races.of("run", self.runs)
        races.keep()
        return best


@pytest.fixture
def contest(monkeypatch: pytest.MonkeyPatch) -> Contest:
    return Contest(monkeypatch)


def settle(contest: Contest, folder: Path) -> None:
    for _ in range(1 + STEADY):
        contest.start(folder)
    contest.asked = 0


def the_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def test_a_start_relies_on_earlier_ones_that_agree(contest: Contest, tmp_path: Path) -> None:
    settle(contest, tmp_path)
    contest.us["hare"] = 5.0
    assert contest.start(tmp_path) == {"hare": 10.0, "tortoise": 20.0}
    assert contest.asked == 0


def test_one_busy_start_does_not_decide(contest: Contest, tmp_path: Path) -> None:
    contest.us["hare"] = 500.0
    contest.start(tmp_path)
    contest.us["hare"] = 10.0
    best = contest.start(tmp_path)
    assert min(best, key=lambda who: best[who]) == "hare"
    for _ in range(STEADY):
        contest.start(tmp_path)
    assert contest.asked == 2 + STEADY
    contest.us["hare"] = 500.0
    assert contest.start(tmp_path)["hare"] == 10.0
    assert contest.asked == 2 + STEADY


def test_who_can_not_run_today_stays_known(contest: Contest, tmp_path: Path) -> None:
    contest.start(tmp_path)
    del contest.us["hare"]
    assert contest.start(tmp_path) == {"tortoise": 20.0}
    for _ in range(STEADY):
        contest.start(tmp_path)
    assert contest.start(tmp_path) == {"hare": 10.0, "tortoise": 20.0}


def test_starts_on_a_busy_machine_settle_nothing(contest: Contest, tmp_path: Path) -> None:
    contest.load, contest.us["hare"] = 99.0, 500.0
    settle(contest, tmp_path)
    contest.load, contest.us["hare"] = 0.0, 10.0
    best = contest.start(tmp_path)
    assert min(best, key=lambda who: best[who]) == "hare"


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        json.dumps({"about": ABOUT, "steady": 9, "us": {"run": {"hare": "fast"}}}).encode(),
        json.dumps({"about": ABOUT, "steady": 9, "us": {"run": {"hare": -1.0, "tortoise": 1.0}}}).encode(),
        json.dumps({"about": ABOUT, "steady": 9, "us": {"run": {}}}).encode(),
        json.dumps({"about": ABOUT, "steady": "often", "us": {}}).encode(),
        json.dumps({"about": {"processor": "another"}, "steady": 9, "us": {"run": {"hare": 9e9}}}).encode(),
    ],
)
def test_a_damaged_or_foreign_file_is_measured_anew(contest: Contest, tmp_path: Path, damage: bytes) -> None:
    settle(contest, tmp_path)
    the_file(tmp_path).write_bytes(damage)
    assert contest.start(tmp_path) == {"hare": 10.0, "tortoise": 20.0}
    assert contest.asked == 1
    assert json.loads(the_file(tmp_path).read_text())["about"] == ABOUT


def test_another_processor_is_measured_for_itself(contest: Contest, tmp_path: Path) -> None:
    settle(contest, tmp_path)
    contest.us["hare"] = 30.0
    assert contest.start(tmp_path, {"processor": "two"})["hare"] == 30.0
    assert contest.start(tmp_path)["hare"] == 10.0


def test_what_was_measured_can_be_measured_anew(contest: Contest, tmp_path: Path) -> None:
    settle(contest, tmp_path)
    contest.us["hare"] = 30.0
    assert contest.start(tmp_path, anew=True)["hare"] == 30.0
    assert contest.start(tmp_path)["hare"] == 30.0


def test_a_folder_that_cannot_be_written_costs_only_the_measuring(contest: Contest, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    for _ in range(5):
        assert contest.start(in_the_way / "timings") == {"hare": 10.0, "tortoise": 20.0}
    assert contest.asked == 5
    assert in_the_way.read_text() == "not a folder"


def test_races_of_other_settings_stay_known(contest: Contest, tmp_path: Path) -> None:
    settle(contest, tmp_path)
    races = Races(ABOUT, tmp_path)
    races.of("swim", contest.runs)
    races.keep()
    assert contest.asked == 1
    assert set(json.loads(the_file(tmp_path).read_text())["us"]) == {"run", "swim"}
