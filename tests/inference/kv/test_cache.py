"""Claims about what is kept in RAM, and for how long."""

import random

from tests.inference.kv.states import BLOCK_BYTES, Bench, make_cache


def used(bench: Bench, tier: str = "ram") -> int:
    return bench.cache.use()[tier][0]


def test_a_match_is_exact_to_the_token_and_brings_back_the_same_state() -> None:
    bench = Bench(make_cache(50))
    tokens = list(range(200))
    bench.compute(tokens)
    for shared in (1, 63, 64, 65, 130, 199, 200):
        assert bench.load([*tokens[:shared], *[999] * 30]) == shared


def test_conversations_that_begin_alike_share_blocks_and_a_grown_tail_replaces_its_block() -> None:
    bench = Bench(make_cache(50))
    world = list(range(128))
    for npc in range(5):
        bench.compute([*world, 1000 + npc])
    assert used(bench) == (2 + 5) * BLOCK_BYTES
    bench.compute([*world, 1000, 1, 2, 3])
    assert used(bench) == (2 + 5) * BLOCK_BYTES


def test_under_any_load_the_budget_holds_and_every_match_is_true() -> None:
    """Random saves and loads against what each prefix's state must be."""
    rng = random.Random(5)
    bench = Bench(make_cache(12))
    conversations = [[rng.randrange(3) for _ in range(rng.randrange(1, 90))] for _ in range(8)]
    for _ in range(300):
        tokens = rng.choice(conversations)
        if len(tokens) < 500 and rng.random() < 0.5:
            tokens.extend(rng.randrange(50) for _ in range(rng.randrange(1, 40)))
        bench.compute(tokens, tail=rng.random() < 0.7)
        assert used(bench) <= 12 * BLOCK_BYTES
        bench.load(rng.choice(conversations))


def test_what_was_used_last_is_kept() -> None:
    bench = Bench(make_cache(6))
    for npc in range(8):
        bench.compute([npc] * 130)
    assert [npc for npc in range(8) if bench.load([npc] * 130) == 130] == [6, 7]


def test_who_is_expected_soon_outlives_who_spoke_later() -> None:
    bench = Bench(make_cache(6))
    bench.compute([0] * 130)
    bench.cache.expect(tuple([0] * 130), within=5.0)
    for npc in range(1, 5):
        bench.compute([npc] * 130)
    assert bench.load([0] * 130) == 130


def test_what_is_held_outlives_everything() -> None:
    bench = Bench(make_cache(6))
    bench.compute([0] * 130)
    with bench.cache.holding(bench.cache.match([0] * 130, 130).last):
        for npc in range(1, 8):
            bench.compute([npc] * 130)
        assert bench.load([0] * 130) == 130


def test_a_lower_budget_is_kept_at_once_and_beginnings_stay() -> None:
    bench = Bench(make_cache(12))
    bench.compute(list(range(640)))
    bench.cache.set_budgets(4 * BLOCK_BYTES, None)
    assert used(bench) <= 4 * BLOCK_BYTES
    assert bench.load(list(range(640))) == 256
