"""Claims about the tier on disk: what comes back is what was written, whatever happened in between."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from npc_engine.inference.kv import cache as cache_module
from npc_engine.inference.kv import disk_file
from npc_engine.inference.kv.cache import Lookup
from tests.inference.kv.states import BLOCK_BYTES, Bench, make_cache

CONVERSATION = list(range(300))


def file_of(folder: Path) -> Path:
    return folder / "blocks.sqlite"


def spoken(folder: Path, *, blocks: int = 50, codec: str = "raw") -> Bench:
    """A bench that has written one conversation to disk."""
    bench = Bench(make_cache(blocks, folder, codec=codec))
    bench.compute(CONVERSATION)
    bench.settle()
    return bench


def test_what_left_ram_comes_back_from_disk(tmp_path: Path) -> None:
    bench = spoken(tmp_path, blocks=6)
    bench.compute([7] * 380)
    bench.settle()
    assert bench.cache.held(tuple(CONVERSATION), behind=0)[1]["disk"] > 0
    assert bench.load(CONVERSATION) == 300


def test_a_restart_finds_what_was_written(tmp_path: Path) -> None:
    spoken(tmp_path).cache.close()
    again = Bench(make_cache(50, tmp_path))
    assert again.load(CONVERSATION) == 300
    assert again.load([*CONVERSATION[:100], 5, 5, 5]) == 100


def test_closing_writes_what_was_not_yet_written(tmp_path: Path) -> None:
    bench = Bench(make_cache(50, tmp_path))
    bench.compute(CONVERSATION)
    bench.cache.close()
    assert Bench(make_cache(50, tmp_path)).load(CONVERSATION) == 300


def test_what_grows_while_its_beginning_is_read_is_written_too(tmp_path: Path) -> None:
    bench, longer = spoken(tmp_path), [*CONVERSATION, *range(10)]
    bench.cache.set_budgets(0, None)
    bench.cache.set_budgets(50 * BLOCK_BYTES, None)
    assert bench.cache.look_up(CONVERSATION, 300)[0] is Lookup.PENDING
    bench.compute(CONVERSATION)
    bench.compute(longer)
    bench.settle()
    bench.cache.close()
    assert Bench(make_cache(50, tmp_path)).load(longer) == 310


def test_four_bits_come_back_close(tmp_path: Path) -> None:
    spoken(tmp_path, codec="int4").cache.close()
    assert Bench(make_cache(50, tmp_path, codec="int4")).load(CONVERSATION, exact=False) == 300


@pytest.mark.parametrize("change", [{"model": "another"}, {"codec": "int4"}])
def test_state_of_another_model_or_codec_is_not_found(tmp_path: Path, change: dict[str, str]) -> None:
    spoken(tmp_path).cache.close()
    assert Bench(make_cache(50, tmp_path, **change)).load(CONVERSATION) == 0  # type: ignore[arg-type]


def test_a_flipped_bit_costs_what_is_behind_it(tmp_path: Path) -> None:
    spoken(tmp_path).cache.close()
    with sqlite3.connect(file_of(tmp_path)) as connection:
        ((id, state),) = connection.execute("SELECT id, state FROM states ORDER BY id LIMIT 1 OFFSET 2").fetchall()
        damaged = bytearray(state)
        damaged[1234] ^= 4
        connection.execute("UPDATE states SET state = ? WHERE id = ?", (bytes(damaged), id))
    connection.close()
    again = Bench(make_cache(50, tmp_path))
    assert again.load(CONVERSATION) == 128
    again.compute(CONVERSATION)
    again.settle()
    again.cache.close()
    assert Bench(make_cache(50, tmp_path)).load(CONVERSATION) == 300


@pytest.mark.parametrize("keep", [0, 100, 20_000, 200_000])
def test_a_file_cut_short_is_computed_anew(tmp_path: Path, keep: int) -> None:
    spoken(tmp_path).cache.close()
    data = file_of(tmp_path).read_bytes()
    assert keep < len(data)
    file_of(tmp_path).write_bytes(data[:keep])
    again = Bench(make_cache(50, tmp_path))
    again.load(CONVERSATION)
    again.compute(CONVERSATION)
    again.settle()
    again.cache.close()
    assert Bench(make_cache(50, tmp_path)).load(CONVERSATION) == 300


def test_a_file_of_something_else_is_begun_anew(tmp_path: Path) -> None:
    file_of(tmp_path).write_bytes(b"not a database" * 5000)
    bench = spoken(tmp_path)
    bench.cache.close()
    assert Bench(make_cache(50, tmp_path)).load(CONVERSATION) == 300


def test_a_file_deleted_while_running_costs_nothing_that_is_in_ram(tmp_path: Path) -> None:
    bench = spoken(tmp_path)
    file_of(tmp_path).unlink()
    assert bench.load(CONVERSATION) == 300
    bench.compute([3] * 100)
    bench.settle()


def test_the_file_never_exceeds_its_budget_and_new_conversations_displace_old_ones(tmp_path: Path) -> None:
    budget = 2 << 20
    bench = Bench(make_cache(8, tmp_path, disk_budget=budget))
    for npc in range(30):
        bench.compute([npc] * 200)
        bench.settle()
        assert file_of(tmp_path).stat().st_size <= budget
    assert bench.load([29] * 200) == 200
    assert bench.load([0] * 200) == 0
    assert bench.cache.use()["disk"][0] <= budget


def test_a_lower_disk_budget_gives_room_back(tmp_path: Path) -> None:
    bench = Bench(make_cache(50, tmp_path))
    for npc in range(20):
        bench.compute([npc] * 200)
    bench.settle()
    bench.cache.set_budgets(None, 2 << 20)
    bench.cache.close()
    assert file_of(tmp_path).stat().st_size <= 2 << 20


def test_a_lower_ram_budget_moves_down_what_is_only_in_ram(tmp_path: Path) -> None:
    bench = Bench(make_cache(50, tmp_path))
    bench.compute(CONVERSATION)
    bench.cache.set_budgets(2 * BLOCK_BYTES, None)
    bench.settle()
    assert bench.cache.use()["ram"][0] <= 2 * BLOCK_BYTES
    bench.cache.set_budgets(50 * BLOCK_BYTES, None)
    assert bench.load(CONVERSATION) == 300


def test_a_disk_that_is_nearly_full_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = disk_file.RESERVE + 1_000_000

    def usage(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=free - sum(path.stat().st_size for path in Path(folder).iterdir()))

    monkeypatch.setattr(disk_file.shutil, "disk_usage", usage)
    monkeypatch.setattr(cache_module, "_PATIENCE", 0.001)
    bench = Bench(make_cache(50, tmp_path))
    for number in range(20):
        bench.compute([number] * 200)
        bench.settle()
    assert 0 < file_of(tmp_path).stat().st_size <= 1_000_000
    assert bench.load([19] * 200) == 200
    free += 100_000_000
    for number in range(20, 30):
        bench.compute([number] * 200)
        bench.settle()
    assert file_of(tmp_path).stat().st_size > 1_000_000
