"""Takes stage directions in asterisks out of a reply that arrives one character at a time.

``*smiles*`` goes. Of ``**now**`` only the asterisks go: that is emphasis. An asterisk that is no direction's
(``2 * 3``, ``2*3``) stays. A direction that isn't closed on its line, or within ``LIMIT`` characters, was
none, and is spoken.
"""

# A sentence or two. What is longer is a reply whose asterisk was never closed.
LIMIT = 240

GAP = "\0"
"""Stands where a direction was taken out."""


class Narration:
    """Passes speech on, and ``GAP`` for each stage direction. The text must not hold ``GAP`` itself."""

    def __init__(self) -> None:
        self._asterisks = 0
        self._before = "\n"
        self._direction: list[str] | None = None
        self._spoken = False

    def push(self, char: str) -> str:
        """Take the next character; return what can be passed on."""
        if char == "*":
            self._asterisks += 1
            return ""
        passed = self._settle(char)
        self._before = char
        if self._direction is None:
            return self._speak(passed + char)
        self._direction.append(char)
        if char == "\n" or len(self._direction) > LIMIT:
            passed += self._release()
        return self._speak(passed)

    def finish(self) -> str:
        """What is left when the reply ends: an unclosed direction is spoken only if nothing else was."""
        passed = self._settle("\n")
        released = self._release()
        return passed if self._spoken else passed + released

    def _settle(self, after: str) -> str:
        """Decide what the asterisks before ``after`` were; return what stands for them."""
        count, self._asterisks = self._asterisks, 0
        if count != 1:
            return ""
        if self._direction is not None:
            if self._before.isspace() and after.isalnum():
                # This one opens; so the earlier one was never closed.
                released = self._release()
                self._direction = []
                return released
            self._direction = None
            return GAP
        if self._before.isalnum():
            return "*" if after.isalnum() else ""
        if not after.isspace():
            self._direction = []
            return ""
        # Else it is a list's bullet, or what is left of a pair.
        return "*" if self._before == after == " " else ""

    def _release(self) -> str:
        held, self._direction = self._direction or [], None
        return "".join(held)

    def _speak(self, text: str) -> str:
        self._spoken = self._spoken or any(char.isalnum() for char in text)
        return text
