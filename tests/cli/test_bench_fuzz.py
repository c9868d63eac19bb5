"""The fuzzer sends what it says it does, and the same again for the same seed."""

from collections import Counter

import msgpack
import pytest

from npc_engine.cli.bench.bridge.fuzz import Fuzzer


def test_the_same_seed_gives_the_same_frames_and_another_seed_others() -> None:
    first, again, other = ([fuzzer.frame() for _ in range(500)] for fuzzer in (Fuzzer(1), Fuzzer(1), Fuzzer(2)))
    assert first == again
    assert first != other


def test_every_way_of_being_wrong_is_there() -> None:
    fuzzer = Fuzzer(0)
    frames = [fuzzer.frame() for _ in range(3000)]
    ways = Counter(way for way, _ in frames)
    assert set(ways) == {"truncated", "deep", "huge", "wrong_type", "not_utf8", "flipped", "noise", "nearly"}
    assert min(ways.values()) > 200
    not_utf8 = [payload for way, (payload, text) in frames if way == "not_utf8" and not text]
    assert not_utf8
    for payload in not_utf8:
        with pytest.raises(UnicodeDecodeError):
            msgpack.unpackb(payload)
    assert max(len(payload) for way, (payload, _) in frames if way == "huge") > 5_000_000
    assert any(payload.count(b"[") > 10_000 for way, (payload, _) in frames if way == "deep")
