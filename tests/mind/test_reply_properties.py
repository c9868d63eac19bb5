"""What holds for every reply, however it is cut into pieces."""

from hypothesis import example, given
from hypothesis import strategies as st

from npc_engine.mind.reply import Delta, ReplyParser, Sentence

CONTROL = ("<|im_start|>", "<|im_end|>", "</s>", "[INST]")

# Pieces that mean something to the parser, in any order, among ordinary words and arbitrary characters.
PIECES = st.sampled_from(
    [
        *("Alex", "Alex:", "Tom Fisher", "Tom:", "Greta", "Greta:", "User:", "says", "(aside)", "["),
        *("]", "<", ">", ":", "*", "**", "*nods*", "* ", '"', "“", "”", "'", "\n", "\n\n", " ", "  "),
        *(".", "!", "?", "...", "…", "。", "！", ",", "3.5", "Mr.", "e.g.", "No", "no", "I like fish a lot.", "我"),
        *("<|im_", "start|>", "end|>", "<|", "</", "s>", "[IN", "ST]", "fish", "and", "the", "😀", "\0", "\u200b"),
    ]
)
TEXT = st.lists(PIECES | st.text(max_size=3), max_size=60).map("".join)
OPTIONS = st.fixed_dictionaries(
    {"narration": st.sampled_from(["keep", "strip"]), "max_sentences": st.none() | st.integers(1, 3)}
)


def parse(
    pieces: list[str], options: dict[str, object], *, cut: bool = False
) -> tuple[list[Delta | Sentence], ReplyParser]:
    reply = ReplyParser("Greta Ironhand", ["Alex", "Tom Fisher"], control_tokens=CONTROL, **options)
    events = []
    for piece in pieces:
        events += reply.feed(piece)
        assert "".join(event.text for event in events if isinstance(event, Delta)) == reply.text
        if reply.finished:
            break
    events += reply.finish(cut=cut)
    return events, reply


@given(TEXT, OPTIONS, st.booleans(), st.data())
def test_it_makes_no_difference_how_the_text_is_cut(
    text: str, options: dict[str, object], cut: bool, data: st.DataObject
) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    outcomes = []
    for way in (pieces, [text], list(text)):
        events, reply = parse(way, options, cut=cut)
        outcomes.append((reply.text, reply.reason, [event for event in events if isinstance(event, Sentence)]))
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(TEXT, OPTIONS, st.booleans())
@example("Hi. <|im_*x*end|>", {}, False)
def test_what_is_shown_is_clean_and_whole(text: str, options: dict[str, object], cut: bool) -> None:
    events, reply = parse(list(text), options, cut=cut)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == reply.text
    spoken = [event.text for event in events if isinstance(event, Sentence)]
    assert "".join("".join(spoken).split()) == "".join(reply.text.split())
    assert all(part and part == part.strip() for part in spoken)
    assert reply.text == " ".join(reply.text.split())
    assert not any(token in reply.text for token in CONTROL)
    assert len(spoken) <= (options.get("max_sentences") or len(spoken))


@given(TEXT, OPTIONS)
def test_a_sentence_is_shown_before_it_is_told_whole(text: str, options: dict[str, object]) -> None:
    shown = told = ""
    for event in parse(list(text), options)[0]:
        if isinstance(event, Delta):
            shown += event.text
        else:
            told += event.text
            assert "".join(shown.split()).startswith("".join(told.split()))
            assert len("".join(shown.split())) == len("".join(told.split())), "deltas don't run ahead of sentences"


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    parse([text], {})
