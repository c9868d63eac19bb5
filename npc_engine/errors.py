"""Errors that reach the person who can mend them.

Every error that crosses a room carries a stable ``code`` (the protocol's error codes), a message that says what is
wrong, and a remedy that says what would be right.
"""

from typing import Literal


class NpcEngineError(Exception):
    """Base of all errors this project raises on purpose.

    ``code`` is one of the protocol's error codes; ``remedy`` tells the reader what to change. ``retry_after_ms`` is
    set where waiting helps.
    """

    code = "internal"

    def __init__(self, message: str, *, remedy: str = "", retry_after_ms: int | None = None) -> None:
        super().__init__(message if not remedy else f"{message} {remedy}")
        self.message = message
        self.remedy = remedy
        self.retry_after_ms = retry_after_ms


class UnknownNpc(NpcEngineError):
    """The NPC with the id ``npc`` was never spawned, or is parked."""

    code = "unknown_npc"

    def __init__(self, message: str, *, npc: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.npc = npc


class UnknownPersona(NpcEngineError):
    """The named persona is in no loaded world; or, if ``of`` says so, there is no world of that name."""

    code = "unknown_persona"

    def __init__(self, message: str, *, of: Literal["persona", "world"] = "persona", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.of = of


class InvalidPersona(NpcEngineError):
    """A persona or world file does not say what it should; the message names file, line and column."""

    code = "invalid_persona"


class UnknownMood(NpcEngineError):
    """The NPC's persona can't be in the named mood."""

    code = "bad_message"


class LimitExceeded(NpcEngineError):
    """What was sent is larger than what the engine takes."""

    code = "limit_size"


class UnknownAction(NpcEngineError):
    """An action was named that nobody registered, or a call that is not open. ``path`` leads to where it is named."""

    code = "unknown_action"

    def __init__(self, message: str, *, remedy: str = "", path: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.path = path


class SchemaUnsupported(NpcEngineError):
    """No grammar can be made of a JSON Schema. ``path`` leads into it, to what can't be done."""

    code = "schema_unsupported"

    def __init__(self, message: str, *, remedy: str = "", path: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.path = path


class Overloaded(NpcEngineError):
    """Too much is waiting already; ``retry_after_ms`` says when to come back."""

    code = "overloaded"


class DeadlinePassed(NpcEngineError):
    """The answer could not be ready by the deadline the caller named."""

    code = "deadline"


class OperatorError(NpcEngineError):
    """Something on this machine keeps the engine from working: disk, port, model file, lock."""
