"""An NPC's prompt only ever grows at its end, until it lets go of its oldest part."""

from hypothesis import assume, given
from hypothesis import strategies as st

from npc_engine.mind.context import Context, Head, Segment
from npc_engine.mind.markup import Markup

# Every id says what it is: markup below 100, head below 200, words above.
MARKUP = Markup(opening=(1,), system_to_user=(2,), user_to_assistant=(3, 4), assistant_to_user=(5, 6), newline=(7,))
HEAD = Head(shared=(1, 100, 101), own=(102, 103, 2))

KINDS = st.lists(st.sampled_from(["heard", "said"]), max_size=40)
SIZES = st.integers(1, 12)


@st.composite
def histories(draw: st.DrawFn) -> list[Segment]:
    """Entries with ids of their own, so that each can be told from every other."""
    segments, next_id = [], 200
    for seq, kind in enumerate(draw(KINDS), start=1):
        size = draw(SIZES)
        segments.append(Segment(seq, kind, tuple(range(next_id, next_id + size))))
        next_id += size
    return segments


def context_of(segments: list[Segment], room: int = 10_000) -> Context:
    context = Context(MARKUP, HEAD, room)
    context.restore(segments)
    return context


def words(ids: tuple[int, ...]) -> list[int]:
    return [i for i in ids if i >= 200]


@given(histories())
def test_each_entry_extends_the_prompt_and_changes_nothing_before_it(segments: list[Segment]) -> None:
    context = Context(MARKUP, HEAD, 10_000)
    for segment in segments:
        before = context.stable
        context.append(segment)
        assert context.stable[: len(before)] == before
    assert context.stable[: len(HEAD.ids)] == HEAD.ids
    assert words(context.stable) == [i for segment in segments for i in segment.ids]


@given(histories())
def test_restoring_gives_what_appending_gave(segments: list[Segment]) -> None:
    context = Context(MARKUP, HEAD, 10_000)
    for segment in segments:
        context.append(segment)
    assert context_of(segments).stable == context.stable


@given(histories())
def test_the_next_prompt_begins_with_what_was_stable(segments: list[Segment]) -> None:
    context = context_of(segments)
    assert context.prompt(()) == context.stable + MARKUP.user_to_assistant
    context.append(Segment(999, "heard", (990, 991)))
    stable, prompt = context.stable, context.prompt(())
    assert prompt[: len(stable)] == stable
    context.append(Segment(1000, "said", (992,)))
    assert context.stable[: len(prompt)] == prompt


@given(histories(), st.lists(st.integers(150, 160), min_size=1))
def test_volatile_facts_stand_before_the_new_line_and_never_in_the_history(
    segments: list[Segment], facts: list[int]
) -> None:
    context = context_of(segments)
    context.append(Segment(999, "heard", (990, 991)))
    settled = context.stable[:-2]
    prompt = context.prompt(tuple(facts))
    assert prompt == settled + tuple(facts) + MARKUP.newline + (990, 991) + MARKUP.user_to_assistant
    assert not set(facts) & set(context.stable)


@given(histories(), st.integers(0, 400), st.integers(0, 60))
def test_compacting_drops_the_oldest_whole_and_keeps_head_and_newest(
    segments: list[Segment], room: int, reserve: int
) -> None:
    assume(segments)
    context = context_of(segments, room)
    before, after = context.compact(reserve)
    assert before == len(context_of(segments).stable)
    assert after == len(context.stable) <= before
    assert context.stable[: len(HEAD.ids)] == HEAD.ids
    start = next(n for n, segment in enumerate(segments) if segment.seq == context.first_seq)
    assert context.stable == context_of(segments[start:]).stable
    assert words(context.stable)[-len(segments[-1].ids) :] == list(segments[-1].ids)
    # It begins with what somebody said to the NPC, unless only its own newest words are left.
    assert segments[start].kind == "heard" or start == len(segments) - 1


@given(histories())
def test_compacting_makes_room_whenever_the_newest_entry_leaves_any(segments: list[Segment]) -> None:
    assume(segments)
    room = len(HEAD.ids) + 60
    context = context_of(segments, room)
    context.compact(20)
    assert context.overflow(20) == 0


@given(histories())
def test_after_compacting_it_grows_as_before(segments: list[Segment]) -> None:
    assume(segments)
    context = context_of(segments, len(HEAD.ids) + 60)
    context.compact(20)
    before = context.stable
    context.append(Segment(999, "heard", (990,)))
    assert context.stable[: len(before)] == before


def test_its_newest_answers_are_known() -> None:
    context = context_of([Segment(n, "said" if n % 2 else "heard", (200 + n,)) for n in range(8)])
    assert context.said(2) == (205, 207)
    assert context_of([]).said(2) == ()
    assert context_of([]).first_seq == 0
