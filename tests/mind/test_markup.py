"""What stands between the words: any model's template, taken apart once."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from npc_engine.errors import OperatorError
from npc_engine.inference.tokenizer import Tokenizer
from npc_engine.mind.markup import Markup, read_markup
from tests.tiny import make_tiny

SYSTEM_LESS = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DATED = (
    "{{ bos_token }}{% set date = strftime_now('%d %b %Y') %}{% for m in messages %}"
    "{{ '[' + m.role + ']' }}{% if m.role == 'system' %}{{ 'Today is ' + date + '. ' }}{% endif %}"
    "{{ m.content + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
)
THINKING = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("markup") / "tiny")


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    shutil.copytree(model, tmp_path / "model")
    return tmp_path / "model"


def write(folder: Path, template: str) -> tuple[Markup, Tokenizer]:
    (folder / "chat_template.jinja").write_text(template)
    tokenizer = Tokenizer(folder)
    return read_markup(folder, tokenizer), tokenizer


def spell(markup: Markup, tokenizer: Tokenizer, system: str, *turns: str) -> str:
    """A conversation in this markup, up to where the next answer begins."""
    ids = [*markup.opening, *tokenizer.encode_text(system)]
    before = markup.system_to_user
    for number, words in enumerate(turns):
        ids += [*before, *tokenizer.encode_text(words)]
        before = markup.assistant_to_user if number % 2 else markup.user_to_assistant
    return tokenizer.decode([*ids, *before])


def messages(system: str, *turns: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    spoken = [{"role": roles[number % 2], "content": words} for number, words in enumerate(turns)]
    return [{"role": "system", "content": system}, *spoken]


TURNS = ("You are Ada.", "Good day.", "Aye.", "What news?")


def test_a_conversation_reads_as_the_librarys_template_writes_it(folder: Path) -> None:
    tokenizer = Tokenizer(folder)
    expected = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        messages(*TURNS), tokenize=False, add_generation_prompt=True
    )
    assert spell(read_markup(folder, tokenizer), tokenizer, *TURNS) == expected


def test_the_default_models_template_too(default_model: Path) -> None:
    tokenizer = Tokenizer(default_model)
    expected = AutoTokenizer.from_pretrained(default_model).apply_chat_template(
        messages(*TURNS), tokenize=False, add_generation_prompt=True
    )
    assert spell(read_markup(default_model, tokenizer), tokenizer, *TURNS) == expected


def test_without_a_system_role_the_first_user_turn_says_who_the_npc_is(folder: Path) -> None:
    markup, tokenizer = write(folder, SYSTEM_LESS)
    start, end = "<|im_start|>", "<|im_end|>\n"
    assert spell(markup, tokenizer, *TURNS) == (
        f"{start}user\nYou are Ada.\n\nGood day.{end}{start}assistant\nAye.{end}{start}user\nWhat news?{end}"
        f"{start}assistant\n"
    )


def test_a_template_that_wants_the_date_gets_one_that_never_changes(folder: Path) -> None:
    markup, tokenizer = write(folder, DATED)
    assert spell(markup, tokenizer, "You are Ada.", "Good day.") == (
        "<|im_start|>[system]Today is 1 January 2000. You are Ada.<|im_end|>[user]Good day.<|im_end|>[assistant]"
    )


def test_an_answer_begins_with_the_empty_thought_that_the_model_expects(folder: Path) -> None:
    markup, tokenizer = write(folder, THINKING)
    assert tokenizer.decode(list(markup.user_to_assistant)).endswith("assistant\n<think>\n\n</think>\n\n")
    assert "think" not in tokenizer.decode(list(markup.assistant_to_user))


def test_a_cue_stands_where_an_answer_begins() -> None:
    markup = Markup((1,), (2,), (3, 4), (5,), (6,))
    assert markup.with_cue((7, 8)) == Markup((1,), (2,), (3, 4, 7, 8), (5,), (6,))


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{% for m in messages %}{{ m.content }", "can't be rendered"),
        ("{{ messages[0].nothing.at_all }}", "can't be rendered"),
        ("{{ messages | length + 'x' }}", "can't be rendered"),
        ("{{ raise_exception('not for you') }}", "can't be rendered: not for you"),
        ("{{ messages[-1].content }}", "rewrites what it is given"),
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}", "rewrites what it is given"),
        ("{% for m in messages %}{{ m.content + m.content }}{% endfor %}", "rewrites what it is given"),
        ("", "rewrites what it is given"),
    ],
)
def test_a_template_of_no_use_is_an_error_that_says_where_and_what_to_do(
    folder: Path, template: str, problem: str
) -> None:
    with pytest.raises(OperatorError) as caught:
        write(folder, template)
    assert problem in caught.value.message
    assert str(folder) in caught.value.message
    assert "model" in caught.value.remedy


def test_a_model_without_a_template_says_where_to_put_one(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(OperatorError, match="has no chat template") as caught:
        read_markup(folder, Tokenizer(folder))
    assert str(folder) in caught.value.message
    assert "chat_template.jinja" in caught.value.remedy


@pytest.mark.parametrize("named", [False, True])
def test_a_template_may_stand_in_the_tokenizers_configuration(folder: Path, named: bool) -> None:
    tokenizer = Tokenizer(folder)
    expected = read_markup(folder, tokenizer)
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    path = folder / "tokenizer_config.json"
    several = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": template}]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": several if named else template}))
    assert read_markup(folder, tokenizer) == expected


def test_a_broken_tokenizer_configuration_is_said_to_be_broken(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    (folder / "tokenizer_config.json").write_text("{not json")
    with pytest.raises(OperatorError, match=r"tokenizer_config\.json"):
        read_markup(folder, Tokenizer(folder))


def test_a_template_can_reach_nothing_outside(folder: Path) -> None:
    with pytest.raises(OperatorError):
        write(folder, "{{ ''.__class__.__mro__[1].__subclasses__() }}")
