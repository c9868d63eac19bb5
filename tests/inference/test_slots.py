"""Claims about slots, blocks and the copies between them."""

import random

import torch

from npc_engine.inference.kv.blocks import BlockTree
from npc_engine.inference.kv.pool import BLOCK_TOKENS, BlockPool
from npc_engine.inference.kv.slots import Slots

SIZES = {"layers": 2, "kv_heads": 2, "head_dim": 4}


def make_slots(max_slots: int = 8, max_capacity: int = 1024) -> Slots:
    return Slots(
        **SIZES, dtype=torch.float32, device=torch.device("cpu"), max_slots=max_slots, max_capacity=max_capacity
    )


def make_tree(blocks: int) -> tuple[BlockTree, BlockPool]:
    pool = BlockPool(**SIZES, dtype=torch.float32, budget=blocks * 2 * 2 * 2 * BLOCK_TOKENS * 4 * 4)
    return BlockTree(pool), pool


def fill(slots: Slots, slot: int, tokens: list[int]) -> None:
    """State that depends on each token and everything before it, as attention state does."""
    running = 0.0
    slots.reserve(len(tokens), [slots.capacity] * slots.used)
    for place, token in enumerate(tokens):
        running = running * 0.5 + token
        slots.keys[:, slot, :, place] = running
        slots.values[:, slot, :, place] = -running


def test_growing_keeps_what_is_stored_and_new_room_is_zero() -> None:
    slots = make_slots()
    slot = slots.take()
    slots.keys[:, slot] = 3.0
    for _ in range(7):
        slots.take()
    slots.reserve(1024, [512] + [0] * 7)
    assert (slots.slots, slots.capacity) == (8, 1024)
    assert bool((slots.keys[:, 0, :, :512] == 3.0).all())
    assert bool((slots.keys[:, 0, :, 512:] == 0.0).all())
    assert bool((slots.keys[:, 1:] == 0.0).all())


def test_a_free_slot_is_filled_with_the_last() -> None:
    slots = make_slots()
    for slot in range(3):
        slots.take()
        fill(slots, slot, [slot + 1] * 10)
    expected = slots.keys[:, 2, :, :10].clone()
    slots.release(0, 10)
    assert slots.used == 2
    assert torch.equal(slots.keys[:, 0, :, :10], expected)


def test_a_match_is_exact_to_the_token_and_brings_back_the_same_state() -> None:
    tree, _ = make_tree(50)
    slots = make_slots()
    writer, reader = slots.take(), slots.take()
    tokens = list(range(200))
    fill(slots, writer, tokens)
    tree.save(tokens, slots, writer, tail=True)
    for shared in (1, 63, 64, 65, 130, 199, 200):
        other = tokens[:shared] + [999] * 30
        match = tree.match(other, len(other) - 1)
        assert match.length == min(shared, len(other) - 1)
        tree.load(match, slots, reader)
        assert torch.equal(slots.keys[:, reader, :, :shared], slots.keys[:, writer, :, :shared])
        assert torch.equal(slots.values[:, reader, :, :shared], slots.values[:, writer, :, :shared])
    tree.check_integrity()


def test_conversations_that_begin_alike_share_blocks_and_a_grown_tail_replaces_its_block() -> None:
    tree, pool = make_tree(50)
    slots = make_slots()
    slot = slots.take()
    world = list(range(128))
    for npc in range(5):
        tokens = [*world, 1000 + npc] * 1
        fill(slots, slot, tokens)
        tree.save(tokens, slots, slot, tail=True)
    assert pool.used == 2 + 5
    grown = [*world, 1000, 1, 2, 3]
    fill(slots, slot, grown)
    tree.save(grown, slots, slot, tail=True)
    assert pool.used == 2 + 5
    tree.check_integrity()


def test_under_any_load_the_budget_holds_and_every_match_is_true() -> None:
    """Random saves and loads against a plain dictionary of what each prefix's state must be."""
    rng = random.Random(5)
    tree, pool = make_tree(12)
    slots = make_slots()
    writer, reader, truth = slots.take(), slots.take(), slots.take()
    conversations = [[rng.randrange(3) for _ in range(rng.randrange(1, 90))] for _ in range(8)]
    for _ in range(300):
        tokens = rng.choice(conversations)
        if len(tokens) < 500 and rng.random() < 0.5:
            tokens.extend(rng.randrange(50) for _ in range(rng.randrange(1, 40)))
        fill(slots, writer, tokens)
        tree.save(tokens, slots, writer, tail=rng.random() < 0.7)
        tree.check_integrity()
        assert pool.used <= pool.limit
        wanted = rng.choice(conversations)
        match = tree.match(wanted, len(wanted))
        fill(slots, truth, wanted)
        tree.load(match, slots, reader)
        assert torch.equal(slots.keys[:, reader, :, : match.length], slots.keys[:, truth, :, : match.length])


def test_what_was_used_last_is_kept() -> None:
    tree, _ = make_tree(6)
    slots = make_slots()
    slot = slots.take()
    for npc in range(8):
        tokens = [npc] * 130
        fill(slots, slot, tokens)
        tree.save(tokens, slots, slot, tail=True)
    kept = [npc for npc in range(8) if tree.match([npc] * 130, 130).length == 130]
    assert kept == [6, 7]
