import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_engine.store.token_ids import pack, unpack


@given(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 2**16 - 1)))
def test_ids_come_back(ids: list[int]) -> None:
    assert unpack(pack(ids)) == tuple(ids)


def test_ids_of_a_small_vocabulary_take_two_bytes_each() -> None:
    assert len(pack([65535] * 100)) == 201


@pytest.mark.parametrize("wrong", [-1, 2**32])
def test_what_is_no_token_id_is_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match="token ids"):
        pack([wrong])
