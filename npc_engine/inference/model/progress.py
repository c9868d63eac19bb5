"""How long steps are told to whoever waits for them."""

from typing import Protocol


class Progress(Protocol):
    """Told what is being done. Called from one thread; must not raise."""

    def say(self, text: str) -> None:
        """Something the reader should know, in one line."""
        ...

    def begin(self, step: str, total: int | None = None) -> None:
        """A step begins, and the former one is done. ``total`` in bytes, None where nobody can know."""
        ...

    def advance(self, done: int) -> None:
        """``done`` bytes of this step are behind us."""
        ...


class Silent:
    """A Progress for those who don't want to know."""

    def say(self, text: str) -> None:
        """See Progress."""

    def begin(self, step: str, total: int | None = None) -> None:
        """See Progress."""

    def advance(self, done: int) -> None:
        """See Progress."""
