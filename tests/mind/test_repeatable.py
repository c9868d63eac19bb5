"""An answer's seed depends on the server's seed, the NPC and how often it answered, and on nothing else."""

import itertools

from npc_engine.mind.repeatable import answer_seed


def test_without_a_seed_there_is_none() -> None:
    assert answer_seed(None, "greta", 3) is None


def test_each_part_matters_and_nothing_runs_together() -> None:
    parts = list(itertools.product((0, 1, 11), ("greta", "1greta", "tom"), (0, 1, 11)))
    assert len({answer_seed(*part) for part in parts}) == len(parts)


def test_the_same_comes_again() -> None:
    assert answer_seed(5, "greta", 2) == answer_seed(5, "greta", 2)
