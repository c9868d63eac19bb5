"""What players say to people who could do something about it, and what would be sensible."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from npc_engine.mind.actions import Action

NONE = "none"


@dataclass(frozen=True, slots=True)
class Situation:
    """``sensible`` are the names of sensible actions, ``none`` among them, each with the arguments that matter."""

    persona: str
    says: str
    offered: Sequence[Action]
    facts: Mapping[str, object]
    sensible: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def chance(self) -> float:
        """How often an answer that is drawn from all there are is sensible, whatever its arguments."""
        return len(self.sensible) / (len(self.offered) + 1)


def read_situations() -> list[Situation]:
    """Those that come with the engine, in their order."""
    plain: Any = YAML(typ="safe").load(Path(__file__).with_name("situations.yaml").read_text(encoding="utf-8"))
    actions = {name: Action(name, each["description"], each["schema"]) for name, each in plain["actions"].items()}
    return [
        Situation(
            each["persona"],
            each["says"],
            [actions[name] for name in each["offered"]],
            each.get("state", {}),
            dict(_sensible(answer) for answer in each["sensible"]),
        )
        for each in plain["situations"]
    ]


def _sensible(answer: str | dict[str, dict[str, object]]) -> tuple[str, Mapping[str, object]]:
    return (answer, {}) if isinstance(answer, str) else next(iter(answer.items()))
