"""Claims about who runs next. No model, no tensors."""

import itertools

from npc_engine.inference.request import Priority, Request, Sampling
from npc_engine.inference.scheduler import Scheduler
from npc_engine.inference.sequence import Sequence
from npc_engine.inference.step_size import FIRST

_NUMBERS = itertools.count()


class Silent:
    """A detokenizer without a vocabulary."""

    def feed(self, token_id: int) -> str:
        return ""


def sequence(length: int, priority: Priority = Priority.PLAYER, *, computed: int = 0, first: int = 0) -> Sequence:
    prompt = (first, *range(1, length))
    request = Request(str(next(_NUMBERS)), prompt, Sampling(max_tokens=9), priority, arrival=next(_NUMBERS))
    made = Sequence(request, Silent())  # type: ignore[arg-type]
    made.computed = computed
    return made


def decoding(priority: Priority = Priority.PLAYER) -> Sequence:
    made = sequence(10, priority)
    made.computed = 10
    made.tokens.append(1)
    return made


def plan(*running: Sequence) -> list[int]:
    scheduler = Scheduler()
    scheduler.running = list(running)
    lengths = {id(s): length for s, length in scheduler.plan()}
    return [lengths.get(id(s), 0) for s in running]


def test_decodes_go_first_and_prefill_gets_what_a_running_reply_can_spare() -> None:
    assert plan(decoding(), sequence(1000), decoding()) == [1, FIRST, 1]


def test_words_that_a_grammar_leaves_no_choice_for_go_first_too() -> None:
    forced = decoding()
    forced.tokens += range(6)
    assert plan(sequence(1000, Priority.PLAYER), forced) == [FIRST, 7]


def test_a_long_reply_that_is_read_again_is_a_prompt() -> None:
    parked = decoding()
    parked.tokens += range(2000)
    assert plan(parked, decoding()) == [FIRST, 1]


def test_whoever_reads_alone_takes_no_less_than_at_first() -> None:
    scheduler = Scheduler()
    scheduler.step_size.tokens = FIRST // 2
    scheduler.running = [sequence(1000)]
    assert [work.length for work in scheduler.plan()] == [FIRST]
    scheduler.running = [sequence(1000), decoding()]
    assert [work.length for work in scheduler.plan()] == [FIRST // 2, 1]


def test_a_prompt_leaves_the_rest_of_the_step_to_the_next_in_rank() -> None:
    assert plan(sequence(100), sequence(1000)) == [100, FIRST - 100]


def test_a_prompt_is_not_cut_for_its_last_few_tokens() -> None:
    assert plan(sequence(100), sequence(FIRST - 100 + 5)) == [100, FIRST - 100 + 5]


def test_idle_work_waits_while_anyone_waits_for_words() -> None:
    assert plan(sequence(3000, Priority.IDLE), sequence(20)) == [0, 20]
    assert plan(sequence(3000, Priority.IDLE), decoding(Priority.AMBIENT)) == [0, 1]
    assert plan(sequence(3000, Priority.IDLE)) == [FIRST]


def test_priority_then_deadline_then_arrival() -> None:
    scheduler = Scheduler()
    ambient, early, late = sequence(5, Priority.AMBIENT), sequence(5, first=7), sequence(5, first=8)
    for each in (late, ambient, early):
        scheduler.add(each)
    assert scheduler.waiting == [early, late, ambient]


def test_whoever_shares_a_prompt_waits_for_it_but_never_for_a_lower_priority() -> None:
    scheduler = Scheduler()
    scheduler.running = [sequence(400)]
    scheduler.add(sequence(400))
    assert not list(scheduler.candidates())
    stranger = sequence(400, first=99)
    scheduler.add(stranger)
    assert next(scheduler.candidates()) is stranger
    scheduler.running = [sequence(400, Priority.IDLE)]
    assert next(scheduler.candidates()) is scheduler.waiting[0]


def test_only_a_lower_priority_loses_its_slot() -> None:
    scheduler = Scheduler()
    player, ambient, idle = decoding(), decoding(Priority.AMBIENT), decoding(Priority.IDLE)
    scheduler.running = [player, idle, ambient]
    assert scheduler.to_park(sequence(5)) is idle
    assert scheduler.to_park(sequence(5, Priority.AMBIENT)) is idle
    assert scheduler.to_park(sequence(5, Priority.IDLE)) is None
