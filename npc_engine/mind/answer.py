"""One answer in the making: engine outputs in, pieces of speech out."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from npc_engine.errors import DeadlinePassed, NpcEngineError
from npc_engine.inference.request import FinishReason, Generator, Request, Timings, Usage
from npc_engine.mind.markup import Ids
from npc_engine.mind.reply import Delta, ReplyParser, Sentence

ATTEMPTS = 3
"""How often an answer is begun, at most: now and then a small model says nothing, or only what another would say."""


class Answer:
    """Iterate ``pieces`` once. The other attributes tell what has been said so far, also after an early end.

    ``make_parser`` gives the parser for one attempt.
    """

    def __init__(self, generator: Generator, request: Request, make_parser: Callable[[], ReplyParser]) -> None:
        self._generator, self._request, self._make_parser = generator, request, make_parser
        self._parser = make_parser()
        self.token_ids: list[int] = []
        self.finish = FinishReason.CANCELLED
        self.usage = Usage(prompt_tokens=len(request.prompt))
        self.timings = Timings()

    @property
    def prompt(self) -> Ids:
        """What was to be answered, as the model reads it."""
        return self._request.prompt

    @property
    def text(self) -> str:
        """What was said: all deltas together."""
        return self._parser.text

    async def pieces(self) -> AsyncGenerator[Delta | Sentence, None]:
        """Yield the answer as it comes. Closing it stops the generation.

        Raises DeadlinePassed, or NpcEngineError when the engine failed.
        """
        sampling = self._request.sampling
        # The likeliest words are the same every time, and so are none.
        attempts = ATTEMPTS if sampling.temperature > 0 and sampling.max_tokens else 1
        for number in range(attempts):
            if number:
                self._begin_again()
            async with aclosing(self._attempt()) as pieces:
                async for piece in pieces:
                    yield piece
            if self.text:
                return

    def _begin_again(self) -> None:
        """Nothing of the attempt before was shown. The time that it took counts."""
        sampling = self._request.sampling
        seed = None if sampling.seed is None else sampling.seed + 1
        self._request = replace(self._request, id=self._generator.new_id(), sampling=replace(sampling, seed=seed))
        self._parser, self.token_ids = self._make_parser(), []

    async def _attempt(self) -> AsyncGenerator[Delta | Sentence, None]:
        async with aclosing(self._generator.generate(self._request)) as outputs:
            async for output in outputs:
                self.token_ids.extend(output.token_ids)
                self.usage, self.timings = output.usage, output.timings
                for piece in self._parser.feed(output.text):
                    yield piece
                if self._parser.finished:
                    self.finish = FinishReason.STOP
                    break
                if output.finish is not None:
                    self.finish = output.finish
                    raise_failure(output.finish, output.error)
        for piece in self._parser.finish(cut=self.finish is not FinishReason.STOP):
            yield piece


def raise_failure(finish: FinishReason, error: str) -> None:
    """Raise DeadlinePassed or NpcEngineError where a generation did not end as it should."""
    if finish is FinishReason.DEADLINE:
        raise DeadlinePassed(
            "The deadline passed before the answer could begin.", remedy="Allow more time, or ask again."
        )
    if finish is FinishReason.ERROR:
        raise NpcEngineError(f"The engine failed: {error}.", remedy="Ask again; the server's log has the details.")
