"""The guide to the HTTP API names all that it takes and tells."""

import re
from pathlib import Path

from bridge.openai_api.app import LONGEST, MAX_BODY, PENALTY_WINDOW
from bridge.openai_api.body import ChatBody, TextBody
from bridge.openai_api.metrics import Metrics
from npc_engine.inference.request import EngineStats, TierUse

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`\s]+)`", GUIDE))


def test_every_field_is_named() -> None:
    assert {*ChatBody.model_fields, *TextBody.model_fields} - NAMED == set()


def test_every_error_is_named() -> None:
    sources = (ROOT / "bridge" / "openai_api").glob("*.py")
    codes = {code for source in sources for code in re.findall(r'code="(\w+)"', source.read_text(encoding="utf-8"))}
    assert len(codes) > 8
    assert codes - NAMED == set()


def test_every_metric_is_named() -> None:
    page = Metrics().page(EngineStats(tiers={"ram": TierUse(1, 2)})).decode()
    names = set(re.findall(r"^# TYPE (\w+) ", page, flags=re.MULTILINE))
    assert {name for name in names if not name.endswith("_created")} - NAMED == set()


def test_limits_are_the_real_ones() -> None:
    assert f"at most {LONGEST:,}" in GUIDE
    assert f"last {PENALTY_WINDOW:,} tokens" in GUIDE
    assert f"above {MAX_BODY >> 20} MiB" in GUIDE
