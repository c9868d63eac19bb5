"""How many prompt tokens a step takes."""

import math

SECONDS = 0.12
"""What a step that reads prompts may last: those who speak already pause for so long."""

FIRST, LEAST, MOST = 128, 64, 512
_AT_MOST_TIMES = 2.0


class StepSize:
    """As many tokens as this machine reads with this model in about SECONDS, by what the last steps took.

    Larger steps read more tokens a second, for weights are read once for all of them: so there is a LEAST, however slow
    the machine. What a step costs that read far fewer than it might have says little about a full one, unless it took
    too long already.
    """

    def __init__(self) -> None:
        self.tokens = FIRST

    def ran(self, tokens: int, seconds: float) -> None:
        """A step read so many prompt tokens and lasted so long."""
        if tokens * 2 < self.tokens and seconds <= SECONDS:
            return
        fitting = tokens * SECONDS / max(seconds, 1e-9)
        # Half of the way: a machine that is busy for a moment is as fast as before in the next.
        change = math.sqrt(fitting / self.tokens)
        change = min(max(change, 1 / _AT_MOST_TIMES), _AT_MOST_TIMES)
        self.tokens = min(max(round(self.tokens * change), LEAST), MOST)
