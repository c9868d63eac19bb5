"""Claims about an answer in the making, of a model that says what it is told to."""

from collections.abc import AsyncGenerator

from npc_engine.inference.request import FinishReason, Output, Request, Sampling, Timings, Usage
from npc_engine.mind.answer import ATTEMPTS, Answer
from npc_engine.mind.reply import Delta, ReplyParser


class Model:
    """Says one of ``lines`` for each request, and the last one from then on."""

    max_context = 100

    def __init__(self, *lines: str) -> None:
        self.lines, self.asked = lines, list[Request]()

    def new_id(self) -> str:
        return f"again-{len(self.asked)}"

    async def generate(self, request: Request) -> AsyncGenerator[Output, None]:
        line = self.lines[min(len(self.asked), len(self.lines) - 1)]
        self.asked.append(request)
        for number, word in enumerate(line.split(" ")):
            yield Output(request.id, Usage(), Timings(), (number,), word + " ")
        yield Output(request.id, Usage(), Timings(), finish=FinishReason.STOP)


def answer(model: Model, temperature: float = 0.7, max_tokens: int = 9) -> Answer:
    request = Request("first", (1, 2), Sampling(temperature=temperature, seed=5, max_tokens=max_tokens))
    return Answer(model, request, lambda: ReplyParser("Greta", {"Old Bo"}))  # type: ignore[arg-type]


async def said(making: Answer) -> str:
    return "".join([piece.text async for piece in making.pieces() if isinstance(piece, Delta)])


async def test_what_is_only_a_direction_or_anothers_line_is_begun_again_with_other_luck() -> None:
    model = Model("*nods*", "Old Bo: I do.", "Good day.")
    making = answer(model)
    assert await said(making) == making.text == "Good day."
    assert making.token_ids == [0, 1]
    assert [request.id for request in model.asked] == ["first", "again-1", "again-2"]
    assert [request.sampling.seed for request in model.asked] == [5, 6, 7]
    assert {request.arrival for request in model.asked} == {model.asked[0].arrival}


async def test_who_has_nothing_to_say_is_not_asked_for_ever() -> None:
    model = Model("*nods*")
    making = answer(model)
    assert await said(making) == making.text == ""
    assert making.finish is FinishReason.STOP
    assert len(model.asked) == ATTEMPTS


async def test_the_likeliest_words_are_not_asked_for_twice() -> None:
    model = Model("*nods*", "Good day.")
    assert await said(answer(model, temperature=0)) == ""
    assert len(model.asked) == 1


async def test_who_shall_say_nothing_is_not_asked_again() -> None:
    model = Model("")
    assert await said(answer(model, max_tokens=0)) == ""
    assert len(model.asked) == 1
