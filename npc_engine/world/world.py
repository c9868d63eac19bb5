"""A world of NPCs: the one door through which the bridge reaches minds, journal and engine."""

from collections.abc import AsyncIterator, Mapping, Sequence

from npc_engine.world.events import Happening, NpcInfo, NpcSummary, ReplyEvent, Say


class World:
    """All NPCs of one data folder. Every method runs on the event loop and never blocks it."""

    async def spawn(
        self, npc: str, persona: str, *, world: str | None = None, variables: Mapping[str, str] | None = None
    ) -> NpcSummary:
        """Bring ``npc`` into the game, with the memory it has from earlier. Spawning twice is harmless.

        Raises UnknownPersona.
        """
        raise NotImplementedError

    async def despawn(self, npc: str) -> None:
        """Park ``npc``: it keeps everything and hears nothing. Raises UnknownNpc."""
        raise NotImplementedError

    def roster(self) -> Sequence[NpcSummary]:
        """Every NPC this world knows, active or parked, by id."""
        raise NotImplementedError

    async def inspect(self, npc: str) -> NpcInfo:
        """What ``npc`` remembers, costs and feels. Raises UnknownNpc."""
        raise NotImplementedError

    def say(self, say: Say) -> AsyncIterator[ReplyEvent]:
        """Stream the answer. The line is in the journal before the first event.

        Closing the iterator (``aclose``) cancels; what was said until then stays said. Raises UnknownNpc,
        LimitExceeded, Overloaded or DeadlinePassed when first advanced.
        """
        raise NotImplementedError

    def happen(self, happening: Happening) -> AsyncIterator[ReplyEvent]:
        """Journal an event for its hearers and stream their reactions, if it is not silent. Raises UnknownNpc."""
        raise NotImplementedError
