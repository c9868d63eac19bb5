"""Claims about compiled kernels that outlive the process: real files, real processes, one small kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from npc_engine.inference.model.jit.instructions import has_unit
from npc_engine.inference.model.jit.kept import _checksum
from npc_engine.inference.published import publish

_PROGRAM = """
import logging, numpy as np
logging.basicConfig(level="INFO", format="%(message)s")
from npc_engine.inference.model.jit.rows import gate
inputs = np.full((2, 8), 0x3F80, np.uint16)
out = np.zeros((2, 4), np.uint16)
gate(inputs, out)
print(sum(gate.stats.cache_hits.values()), hex(out[0, 0]))
"""


# Kernels of the unit for matrices have one body, and differ in where they bring what they multiplied.
_PRODUCTS = """
import numpy as np, torch
from npc_engine.inference.model.jit.four_bit import JitFourBitLinear
from npc_engine.inference.model.jit.instructions import has_unit
assert has_unit()  # which asks the system for it
weight = (torch.arange(64 * 64).view(64, 64) * 7 % 16).bfloat16()
x, linear = torch.ones(16, 64).bfloat16(), JitFourBitLinear(weight, few_rows=0)
products, added = linear(x), linear.add_to(torch.ones(16, 64), x)
print(int(products[0, 0]), int((added - 1 - products.float()).abs().max()), int(linear.gated(x)[0, 0]))
"""


def run(folder: Path, program: str = _PROGRAM) -> tuple[str, str]:
    """What a process that uses kernels prints and logs, with kernels kept in ``folder``."""
    with start(folder, program) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    return out.strip(), err


def start(folder: Path, program: str = _PROGRAM) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# How many came from a file, and silu(1) * 1 in bfloat16.
COMPILED, LOADED = "0 0x3f3b", "1 0x3f3b"


def the_file(folder: Path) -> Path:
    (file,) = folder.rglob("rows.gate-*.kernel")
    return file


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the kernel, compiled."""
    folder = tmp_path_factory.mktemp("kernels")
    assert run(folder)[0] == COMPILED
    return folder


@pytest.mark.skipif(not has_unit(), reason="this processor has no unit for matrices")
def test_kept_kernels_of_one_body_are_told_apart(tmp_path: Path) -> None:
    weight = (torch.arange(64 * 64).view(64, 64) * 7 % 16).float()
    row = weight.sum(dim=1)
    gated = (functional.silu(row[0]) * row[32]).bfloat16()
    for _ in range(2):
        product, apart, through = run(tmp_path, _PRODUCTS)[0].split()
        assert int(product) == int(row[0])
        assert int(apart) == 0
        assert int(through) == pytest.approx(int(gated), rel=0.01)


def test_a_kernel_is_compiled_once(kept: Path) -> None:
    assert run(kept) == (LOADED, "")


@pytest.mark.parametrize("where", [0, -1])
def test_a_damaged_kernel_is_compiled_anew(kept: Path, where: int) -> None:
    file = the_file(kept)
    content = bytearray(file.read_bytes())
    content[where] ^= 1
    file.write_bytes(content)
    out, log = run(kept)
    assert out == COMPILED
    assert "damaged" in log
    assert run(kept) == (LOADED, "")


@pytest.mark.parametrize("size", [10, 4000])
def test_a_kernel_cut_short_is_compiled_anew(kept: Path, size: int) -> None:
    file = the_file(kept)
    file.write_bytes(file.read_bytes()[:size])
    assert "damaged" in run(kept)[1]
    assert run(kept) == (LOADED, "")


def test_another_kernels_file_is_not_taken_for_it(kept: Path) -> None:
    file = the_file(kept)
    content = file.read_bytes()[16:]
    other = file.with_name("rows.norm-0123456789abcdef.kernel")
    file.write_bytes(_checksum(other, content) + content)
    assert "damaged" in run(kept)[1]


def test_where_nothing_can_be_written_kernels_work_all_the_same(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    out, log = run(in_the_way)
    assert out == COMPILED
    assert "can't be kept" in log


def test_processes_that_compile_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    with start(tmp_path) as one, start(tmp_path) as other:
        printed = [process.communicate()[0] for process in (one, other)]
    assert all(out.strip().endswith("0x3f3b") for out in printed)
    assert run(tmp_path) == (LOADED, "")
    assert [file.suffix for file in the_file(tmp_path).parent.iterdir()] == [".kernel"]


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "by something").write_text("")
    with pytest.raises(OSError):
        publish(tmp_path / "taken", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
