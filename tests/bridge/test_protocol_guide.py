"""The guide to the protocol names all that goes over the wire."""

import re
from pathlib import Path
from typing import get_args

import pytest

from bridge.codec import CODECS
from bridge.protocol import (
    ANSWER_TYPES,
    REQUEST_TYPES,
    Change,
    ErrorCode,
    Finish,
    Limits,
    LogLevel,
    PriorityName,
    SpeakerKind,
    Topic,
)

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
LISTED = set(re.findall(r"^\| `([^`]+)` (?:¹ )?\|", GUIDE, flags=re.MULTILINE))
"""What has a row of its own in a table."""
NAMED = set(re.findall(r"`([^`\s]+)`", GUIDE))


@pytest.mark.parametrize(
    "names",
    [REQUEST_TYPES, ANSWER_TYPES, get_args(ErrorCode), CODECS, Limits.model_fields, get_args(Topic), get_args(Change)],
    ids=["requests", "answers", "errors", "subprotocols", "limits", "topics", "changes"],
)
def test_everything_has_its_row(names: object) -> None:
    assert set(names) - LISTED == set()  # type: ignore[call-overload]


def test_every_field_and_word_is_named() -> None:
    messages = [*REQUEST_TYPES.values(), *ANSWER_TYPES.values()]
    fields = {field.alias or name for message in messages for name, field in message.model_fields.items()}
    words = {*get_args(Finish), *get_args(PriorityName), *get_args(SpeakerKind), *get_args(LogLevel)}
    assert (fields | words) - NAMED == set()


def test_limits_are_the_real_ones() -> None:
    for name, default in Limits():
        assert f"| `{name}` | {default} |" in GUIDE
