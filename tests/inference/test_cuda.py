"""Claims about a CUDA device, for machines that have one."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from npc_engine.inference.engine import Engine
from npc_engine.inference.load import EngineOptions, load_engine
from npc_engine.inference.request import Budgets
from tests.inference.test_engine_tiers import SLOT, drain, empty_ram, greedy, ids, make, npc, say
from tests.tiny import make_tiny

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

OPTIONS = EngineOptions(dtype="float32", device="cuda", max_batch=8, max_context=512, disk_codec="raw")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


def on_cuda(tiny: Path, disk: Path) -> Engine:
    return load_engine(tiny, replace(OPTIONS, disk=disk, disk_budget=64 << 20)).engine


def test_what_is_said_is_what_a_processor_says_from_every_tier(tiny: Path, tmp_path: Path) -> None:
    expected = [say(make(tiny), npc(i), 20)[0] for i in range(6)]
    engine = on_cuda(tiny, tmp_path)
    for _ in range(2):
        for i in range(6):
            engine.submit(greedy(str(i), npc(i), 20))
        outputs = drain(engine)
        assert [ids(outputs[str(i)]) for i in range(6)] == expected
    empty_ram(engine)
    engine.set_budgets(Budgets(device=2 * SLOT))
    assert [say(engine, npc(i), 20) for i in range(6)] == [(expected[i], len(npc(i)) - 1) for i in range(6)]
    engine.close()


def test_decoding_is_recorded(tiny: Path, tmp_path: Path) -> None:
    engine = on_cuda(tiny, tmp_path)
    say(engine, npc(0), 20)
    assert engine._runner._graphs  # type: ignore[attr-defined]
    engine.close()
