"""How long steps are told to whoever waits for them."""

from typing import Protocol


class Progress(Protocol):
    """Told what is being done. Called from one thread at a time; must not raise."""

    def say(self, text: str) -> None:
        """Something the reader should know, in one line."""
        ...

    def begin(self, step: str, total: int | None = None, unit: str = "bytes") -> None:
        """A step begins, and the former one is done. It has ``total`` of that unit, None where nobody can know."""
        ...

    def advance(self, done: int) -> None:
        """``done`` of this step's total are behind us."""
        ...


class Silent:
    """A Progress for those who don't want to know."""

    def say(self, text: str) -> None:
        """See Progress."""

    def begin(self, step: str, total: int | None = None, unit: str = "bytes") -> None:
        """See Progress."""

    def advance(self, done: int) -> None:
        """See Progress."""
