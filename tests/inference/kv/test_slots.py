"""Claims about slots."""

import torch

from tests.inference.kv.states import fill, make_slots

_TOKEN_BYTES = 2 * 2 * 2 * 16 * 4


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


def test_the_budget_is_a_ceiling_for_growing() -> None:
    slots = make_slots(budget=3 * 700 * _TOKEN_BYTES)
    lengths = []
    while slots.can_take(600):
        slots.take()
        lengths.append(0)
        slots.reserve(600, lengths)
        assert slots.nbytes <= slots.budget
    assert slots.used == 3
    assert not slots.fits(3, 701)


def test_a_lower_budget_is_kept_at_once_and_costs_nothing_that_is_stored() -> None:
    slots = make_slots()
    for slot in range(2):
        slots.take()
        fill(slots, slot, [slot + 1] * 100)
    before = slots.keys[:, :2, :, :100].clone()
    slots.budget = slots.least_budget
    slots.shrink([100, 100])
    assert slots.nbytes <= slots.budget
    assert torch.equal(slots.keys[:, :2, :, :100], before)
