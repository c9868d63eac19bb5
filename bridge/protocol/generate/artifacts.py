"""The files that are generated, and where they go."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bridge.protocol.generate.asyncapi import asyncapi_document
from bridge.protocol.generate.java import java_sources
from bridge.protocol.generate.reference import reference_page
from bridge.protocol.generate.schema import json_schema, to_json
from bridge.protocol.generate.typescript import typescript_source
from bridge.protocol.generate.vectors import vectors

JAVA = "bridge/sdk/java/src/main/java/dev/npcengine/protocol"


def artifacts() -> Mapping[str, str]:
    """Every generated file's text, by its path in the repository."""
    return {
        "bridge/schema/npc.v1.schema.json": to_json(json_schema()),
        "bridge/schema/asyncapi.yaml": asyncapi_document(),
        "bridge/schema/vectors.json": to_json(vectors()),
        "bridge/sdk/js/src/protocol.ts": typescript_source(),
        "docs/reference.md": reference_page(),
        **{f"{JAVA}/{name}.java": source for name, source in java_sources().items()},
    }


def write_artifacts(root: Path) -> Sequence[Path]:
    """Write what differs from what is there, remove Java files of messages that are gone, and return those paths."""
    texts = {root / path: text for path, text in artifacts().items()}
    changed = [path for path, text in texts.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], "utf-8", newline="\n")
    gone = sorted(path for path in (root / JAVA).glob("*.java") if path not in texts and is_generated(path))
    for path in gone:
        path.unlink()
    return [*changed, *gone]


def is_generated(path: Path) -> bool:
    """Whether a file says of itself that it was generated."""
    return path.read_text("utf-8").startswith("// Generated from bridge/protocol")
