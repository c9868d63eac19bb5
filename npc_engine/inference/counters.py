"""What the engine has done since it started."""

from collections.abc import Mapping
from dataclasses import dataclass

from npc_engine.inference.request import EngineStats, TierUse


@dataclass(slots=True)
class Counters:
    """Steps, tokens by where they came from, and how often someone had to give up a slot."""

    steps: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    parked: int = 0

    def ran(self, sampled: int) -> None:
        """A step chose ``sampled`` new tokens."""
        self.steps += 1
        self.generated_tokens += sampled

    def admitted(self, cached: int, uncached: int) -> None:
        """A sequence got a slot: so many of its tokens were found, so many must be computed."""
        self.cached_tokens += cached
        self.prompt_tokens += cached + uncached

    def stats(self, running: int, waiting: int, tiers: Mapping[str, TierUse]) -> EngineStats:
        """All of it, with what there is now."""
        return EngineStats(
            running=running,
            waiting=waiting,
            steps=self.steps,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            generated_tokens=self.generated_tokens,
            parked=self.parked,
            tiers=tiers,
        )
