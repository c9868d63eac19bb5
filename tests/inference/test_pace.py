"""Claims about how fast may be generated."""

from npc_engine.inference.pace import Pace


def test_without_a_limit_there_is_no_pause() -> None:
    pace = Pace()
    pace.spend(1000, 5.0)
    assert pace.pause(5.0) == 0


def test_what_was_generated_is_waited_for() -> None:
    pace = Pace()
    pace.limit(10)
    pace.spend(5, 100.0)
    assert pace.pause(100.0) == 0.5
    assert pace.pause(100.4) > 0
    pace.spend(1, 100.5)
    assert abs(pace.pause(100.5) - 0.1) < 1e-9


def test_a_quiet_time_earns_nothing() -> None:
    pace = Pace()
    pace.limit(10)
    pace.spend(1, 0.0)
    pace.spend(1, 60.0)
    assert abs(pace.pause(60.0) - 0.1) < 1e-9


def test_a_limit_that_is_lifted_holds_nobody_back() -> None:
    pace = Pace()
    pace.limit(0.1)
    pace.spend(10, 0.0)
    pace.limit(0)
    assert pace.pause(0.0) == 0
