"""What the bridge's benchmark takes for a whole answer: it must notice whatever is lost, doubled or mixed."""

from typing import Any

import pytest

from npc_engine.cli.bench.bridge.probe import is_whole

START = {"type": "reply.start", "re": 1}
DONE = {"type": "reply.done", "re": 1, "text": "Good day.", "finish": "stop"}
WHOLE: list[dict[str, Any]] = [
    START,
    {"type": "reply.delta", "re": 1, "text": "Good "},
    {"type": "memory.compacted", "npc": "g"},
    {"type": "reply.delta", "re": 1, "text": "day."},
    {"type": "reply.sentence", "re": 1, "text": "Good day."},
    DONE,
    {"type": "ok", "re": 1},
]


def test_a_whole_answer_is_one_whatever_stands_between_and_behind() -> None:
    assert is_whole(WHOLE, 1)


@pytest.mark.parametrize("lost", [0, 1, 3, 5])
def test_nothing_of_it_may_be_lost_or_doubled(lost: int) -> None:
    assert not is_whole([*WHOLE[:lost], *WHOLE[lost + 1 :]], 1)
    assert not is_whole([*WHOLE[: lost + 1], *WHOLE[lost:]], 1)


def test_it_is_an_answer_to_this_request_that_ended_by_itself() -> None:
    assert not is_whole(WHOLE, 2)
    assert not is_whole([*WHOLE[:5], {**DONE, "finish": "cancelled"}], 1)
    assert not is_whole([START, {**DONE, "text": ""}], 1)
