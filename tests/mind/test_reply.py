"""What the model writes becomes what the NPC says."""

import time

import pytest

from npc_engine.mind.reply import Delta, ReplyParser, Sentence

CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "</s>")
OTHERS = ("Alex", "Tom Fisher", "Rose")


def parser(**options: object) -> ReplyParser:
    return ReplyParser("Greta Ironhand", OTHERS, control_tokens=CONTROL, **options)


def said(text: str, **options: object) -> str:
    reply = parser(**options)
    reply.feed(text)
    reply.finish()
    return reply.text


def ended(text: str, **options: object) -> tuple[str, str | None]:
    reply = parser(**options)
    reply.feed(text)
    reply.finish()
    return reply.text, reply.reason


def sentences(text: str, **options: object) -> list[str]:
    reply = parser(**options)
    return [event.text for event in reply.feed(text) + reply.finish() if isinstance(event, Sentence)]


@pytest.mark.parametrize("token", CONTROL)
@pytest.mark.parametrize("cut_at", range(1, 4))
def test_a_control_token_ends_the_reply_unseen(token: str, cut_at: int) -> None:
    reply = parser()
    events = reply.feed("Good day." + token[:cut_at])
    assert not reply.finished
    events += reply.feed(token[cut_at:] + "user\nWho are you?")
    assert (reply.finished, reply.reason, reply.text) == (True, "control", "Good day.")
    assert events == [Delta("Good day."), Sentence("Good day.")]
    assert reply.feed("more") == reply.finish() == []


@pytest.mark.parametrize(
    "text",
    [
        "Good day. *nods<|im_end|>",
        "Good day. <|im_**end|>",
        "Good day. <|im_\u200bend|>",
        "Good day. <|im_\0end|>",
        '"Good day. <|im_"end|>',
    ],
)
def test_a_control_token_is_not_made_by_what_is_taken_out(text: str) -> None:
    assert ended(text) == ("Good day.", "control")


def test_a_misspelt_control_token_is_not_shown_either() -> None:
    assert ended("Good day. <|im_start?|>system") == ("Good day.", "control")


@pytest.mark.parametrize(
    ("text", "clean"), [("I'm <|im_", "I'm"), ("I love you <", "I love you <"), ("a < b", "a < b")]
)
def test_a_reply_may_end_like_a_control_token_begins(text: str, clean: str) -> None:
    assert said(text) == clean


@pytest.mark.parametrize(
    "mark",
    [
        "Alex:",
        "alex:",
        "ALEX：",
        "Alex :",
        "**Alex**:",
        "**Alex:**",
        "*Alex*:",
        "[Alex]",
        "[Alex]:",
        "<Alex>",
        "(Alex):",
        "> Alex:",
        "- Alex:",
        "Alex says:",
        "Alex (smiling):",
        "Tom Fisher:",
        "Tom:",
        "Fisher:",
        "Player:",
        "User:",
        "You:",
        "Assistant:",
    ],
)
def test_another_speakers_mark_at_the_start_of_a_line_ends_the_reply(mark: str) -> None:
    assert ended(f"Good day!\n{mark} And to you.") == ("Good day!", "speaker")
    assert ended(f"What a storm\n  {mark} And to you.") == ("What a storm", "speaker")


@pytest.mark.parametrize("mark", ["Alex:", "Tom Fisher:", "Tom:", "**Rose**:", "[Rose]"])
def test_another_speakers_mark_after_a_sentence_ends_the_reply(mark: str) -> None:
    assert ended(f'"Good day!" {mark} And to you.') == ("Good day!", "speaker")
    assert ended(f"Good day! *waves* {mark} And to you.") == ("Good day!", "speaker")


def test_a_reply_that_begins_as_another_is_empty() -> None:
    assert ended("Alex: Hello!") == ("", "speaker")


@pytest.mark.parametrize(
    "text",
    [
        "Listen: the mill burns.",
        "Here is the price: ten coins.",
        "Good day.\nListen: the mill burns.",
        "Alexander: a fine name.",
        "Good day. Roses: red. Tomas: gone.",
        "I told Alex: never again.",
        "Everybody knows what Tom says: no fish on Friday.",
        "Sure. alex: written small, after a sentence.",
        "Alex, come here.",
        "Alex asks for you.",
        "Alex (the tall one) was here.",
        "Alex :) was here.",
        "Look, [a sign] and <3.",
        "It strikes 10:30.",
        "Mr. Tomkins: a liar.",
    ],
)
def test_ordinary_speech_is_no_mark(text: str) -> None:
    assert ended(text) == (text.replace("\n", " "), None)


@pytest.mark.parametrize(
    "mark",
    [
        "Greta:",
        "Greta Ironhand:",
        "greta ironhand: ",
        "**Greta**:",
        "[Greta]",
        "Greta says:",
        "Assistant:",
        "\n\n NPC:",
    ],
)
def test_its_own_mark_is_dropped(mark: str) -> None:
    assert ended(f"{mark} Good day.") == ("Good day.", None)


def test_its_own_mark_is_dropped_on_later_lines() -> None:
    assert said("Good day.\nGreta: Come in.\n**Greta**: Sit down.") == "Good day. Come in. Sit down."


def test_whoever_shares_a_name_with_the_npc_does_not_silence_it() -> None:
    reply = ReplyParser("Greta Ironhand", ["Bruno Ironhand", "Greta Ironhand", "", " "])
    reply.feed("Ironhand: Good day.\nGreta: Come in.\nBruno: No!")
    assert (reply.text, reply.reason) == ("Good day. Come in.", "speaker")


def test_a_half_written_mark_is_dropped_when_the_model_was_stopped() -> None:
    for cut, text in ((True, "Good day."), (False, "Good day. Alex")):
        reply = parser()
        reply.feed("Good day.\nAlex")
        reply.finish(cut=cut)
        assert reply.text == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("*smiles* Good day.", "Good day."),
        ("Good day. *She wipes her hands.*", "Good day."),
        ("Good *nods* day.", "Good day."),
        ("Good day *nods*, friend *waves*.", "Good day, friend."),
        ("*nods*, yes", "yes"),
        ("Wait!*turns*Come back!", "Wait! Come back!"),
        ("*nods *, yes", "yes"),
        ("It is **very** hot, ***very***.", "It is very hot, very."),
        ("2 * 3 is 2*3.", "2 * 3 is 2*3."),
        ("* bread\n* fish", "bread fish"),
        ("Bread* costs more. *", "Bread costs more."),
        ("Take *this one. No *laughs* never.", "Take this one. No never."),
        ("She *never closed this\nand went on.", "She never closed this and went on."),
        ("*Good day, I never close this.", "Good day, I never close this."),
        ("Good day. *and so she goes", "Good day."),
        ("*smiles*", ""),
    ],
)
def test_narration_is_stripped(text: str, clean: str) -> None:
    assert said(text) == clean


def test_an_asterisk_never_closed_does_not_swallow_the_reply() -> None:
    long = " ".join(f"and then came house {number}," for number in range(20))
    assert said(f"Well. *{long}") == f"Well. {long}".strip()


def test_narration_can_be_kept() -> None:
    assert said("*smiles*  Good **day**.", narration="keep") == "*smiles* Good **day**."
    assert sentences("*She smiles.* Good day.", narration="keep") == ["*She smiles.*", "Good day."]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('"Good day."', "Good day."),
        ("“Good day,” she says. “Come in.”", "Good day, she says. Come in."),
        ('Greta: *smiles* "Good day."', "Good day."),
        ("«Bonjour !»", "Bonjour !"),
        ("「こんにちは。」", "こんにちは。"),
        ('They call me "Iron".', 'They call me "Iron".'),
        ("'Tis late.", "'Tis late."),
    ],
)
def test_wrapping_quotes_are_dropped(text: str, clean: str) -> None:
    assert said(text) == clean


@pytest.mark.parametrize(
    "text", ["  Good \t day.\r\n", "\n\nGood\nday.\n", "Good\u2028\u00a0day.", "Good\x07 d\ud800ay.\x00"]
)
def test_whitespace_is_single_and_nothing_invisible_stays(text: str) -> None:
    assert said(text) == "Good day."


@pytest.mark.parametrize("text", ["", " \n ", "Greta:", "*"])
def test_a_reply_may_be_empty(text: str) -> None:
    reply = parser()
    assert reply.feed(text) + reply.finish() == []
    assert reply.text == ""


def test_deltas_come_as_early_as_is_safe() -> None:
    reply = parser()
    assert reply.feed("Al") == []
    assert reply.feed("l is well") == [Delta("All is well")]
    assert reply.feed(" here. ") == [Delta(" here."), Sentence("All is well here.")]
    assert reply.feed("Come <") == [Delta(" Come")]
    assert reply.feed("3") == [Delta(" <3")]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("I like fish a lot. Do you? I like fish a lot. Do you?", ["I like fish a lot.", "Do you?"]),
        ("I like fish a lot. I LIKE FISH, A LOT", ["I like fish a lot."]),
        ("the fish and " * 9, ["the fish and the fish and"]),
        ("Yes. " * 20, ["Yes."] * 7),
        ("ha" * 100, ["ha" * 11 + "h"]),
        ("好的" * 100, ["好的" * 11 + "好"]),
    ],
)
def test_a_loop_ends_the_reply(text: str, parts: list[str]) -> None:
    assert ended(text)[1] == "loop"
    assert sentences(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no! Ha! Ha! Ha!",
        "I like fish a lot. I like fish a lot more than bread.",
        "Row, row, row your boat. Come in. Come in.",
        "We have bread and fish and milk and eggs and ale and bacon.",
    ],
)
def test_emphasis_is_no_loop(text: str) -> None:
    assert ended(text) == (text, None)


def test_the_reply_ends_after_so_many_sentences() -> None:
    reply = parser(max_sentences=2)
    reply.feed("One. Two. Three.")
    assert (reply.text, reply.reason) == ("One. Two.", "sentences")
    assert ended("One. Two.", max_sentences=2) == ("One. Two.", None)
    assert ended("你好。再见。好。", max_sentences=2) == ("你好。再见。", "sentences")


def test_a_half_sentence_that_was_shown_stays_when_the_model_was_stopped() -> None:
    reply = parser()
    events = reply.feed("Good day. I was ab")
    assert events == [Delta("Good day."), Sentence("Good day."), Delta(" I was ab")]
    assert reply.finish(cut=True) == [Sentence("I was ab")]
    assert reply.text == "Good day. I was ab"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("I like fish a lot. I li", "I like fish a lot."),
        ("I like fish a lot. I li.", "I like fish a lot. I li."),
        ("I like fi", "I like fi"),
    ],
)
def test_a_half_sentence_that_was_not_shown_goes_when_the_model_was_stopped(text: str, clean: str) -> None:
    reply = parser()
    reply.feed(text)
    reply.finish(cut=True)
    assert reply.text == clean


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "*",
        "*a ",
        "<|im_",
        "Alex ",
        "\n",
        "\nAlex (",
        ". ",
        "\n> [**",
        '"',
        "The fox %d runs away. ",
        "ab cd ",
        "...",
    ],
)
def test_time_is_proportional_to_the_text(unit: str) -> None:
    def seconds(count: int) -> float:
        text = "".join(unit.replace("%d", str(number)) for number in range(count))
        reply = parser()
        start = time.process_time()
        for index in range(0, len(text), 4):
            reply.feed(text[index : index + 4])
        reply.finish()
        return time.process_time() - start

    # Ten times the text, and room for noise; quadratic time would be a hundredfold.
    assert seconds(5000) < 30 * max(seconds(500), 0.001)
