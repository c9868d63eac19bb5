"""Every kind of mistake is reported where it stands, with what would be right."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from npc_engine.errors import InvalidPersona
from npc_engine.persona import check, json_schema, load_world
from npc_engine.persona.document import MAX_BYTES
from npc_engine.persona.schema import Persona

from .conftest import Write

HEAD = "name: Greta\nsummary: the smith\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (HEAD + "\tgoals: [a]\n", "3:1", "a tab where YAML wants spaces (replace the tab"),
        (HEAD + "goals: [a\n", "4:1", "not valid YAML"),
        (HEAD + "goals: x: y\n", "3:9", "a second ': ' in one line"),
        (HEAD + "background: {{player}} came\n", "3:24", "needs quotes"),
        (HEAD + "---\nname: Two\n", "3:1", "a second document"),
        (HEAD + "name: Twice\n", "3:1", "name: was already given in line 1"),
        (HEAD + "goals: !x [a]\n", "3:8", "tag '!x' is not supported"),
        (HEAD + "<<: {goals: [a]}\n", "3:1", "use 'extends'"),
        (HEAD + "goals: *nobody\n", "3:8", "not valid YAML"),
        (HEAD + "? [a, b]\n: c\n", "3:3", "a key should be a word"),
        (BOMB, "", "holds more than 10000 values"),
        (HEAD + "goals: " + "[" * 40 + "]" * 40 + "\n", "3:28", "nested too deeply"),
        (HEAD + "goals: &g [*g]\n", "", "nested too deeply"),
        ("[" * 5000, "1:201", "nested too deeply"),
        ("", "1:1", "is empty"),
        ("# only a comment\n", "1:1", "is empty"),
        ("- a\n- b\n", "1:1", "should be a map of keys, found a list"),
        (HEAD + "background: a\x07b\n", "3:14", "control character"),
        (b"name: Gr\xfcta\n", "1:9", "is not UTF-8: byte 0xfc (save the file as UTF-8)"),
        (b"#" * (MAX_BYTES + 1), "1:1", "larger than 128 KiB"),
        (HEAD + "sumary: x\n", "3:1", "sumary: unknown key (did you mean 'summary'?)"),
        (HEAD + "memory: {window: 5}\n", "3:10", "memory.window: unknown key (did you mean 'window_tokens'?)"),
        (HEAD + "knowledge:\n  - {keys: [a], txt: b}\n", "4:17", "unknown key (did you mean 'text'?)"),
        (HEAD + "knowledge:\n  - {keys: [a]}\n", "4:5", "knowledge[0].text: is missing"),
        (HEAD + "knowledge:\n  - {text: a}\n", "4:5", "is never used (give it 'keys', or 'always: true')"),
        (HEAD + "knowledge:\n  - {text: a, keys: [b], reveal_when: {trust: '> 1'}}\n", "4:5", "but is no secret"),
        (HEAD + "knowledge:\n  - {text: a, keys: [b], secret: true, reveal_when: {trust: no}}\n", "4:61", "can't read"),
        (HEAD + "goals: sing\n", "3:8", "expected a list, found the text 'sing'"),
        (HEAD + "goals:\n", "3:1", "is empty; expected a list"),
        (HEAD + "goals: [3]\n", "3:9", "goals[0]: expected text, found the number 3 (put it in quotes)"),
        (HEAD + "goals: ['']\n", "3:9", "goals[0]: is empty"),
        (HEAD + "mood: sad\n", "3:7", "expected a map, found the text 'sad'"),
        (HEAD + "mood: {default: gloomy}\n", "3:7", "default 'gloomy' is not in the range"),
        (HEAD + "mood: {range: []}\n", "3:15", "name at least one"),
        (HEAD + "abstract: 'yes'\n", "3:11", "expected true or false"),
        (HEAD + "generation: {temperature: '1'}\n", "3:27", "expected a number, found the text '1' (no quotes)"),
        (HEAD + "abstract: yes\n", "3:11", "expected true or false, found the text 'yes' (write true or false)"),
        (HEAD + "generation: {temperature: hot}\n", "3:27", "found the text 'hot' (write a number)"),
        (HEAD + "generation: {max_tokens: [1]}\n", "3:26", "found a list (write a whole number)"),
        (HEAD + "background: \"Hi\ngoals: [a]\n\n", "3:13", "a quote that is never closed (close it"),
        (HEAD + "background: 'tis {{player}}\ngoals: [a]\n", "3:13", "a quote that is never closed"),
        (HEAD + "background: \"a\n---\n", "3:13", "a quote that is never closed"),
        (HEAD + "background: \"a \\q\"\n", "3:17", "is not valid YAML: found unknown escape"),
        (HEAD + "generation: {temperature: .nan}\n", "3:27", "expected a number"),
        (HEAD + "generation: {temperature: 9}\n", "3:27", "is out of range: 9 (at most 2)"),
        (HEAD + "generation: {max_tokens: 1.5}\n", "3:26", "expected a whole number"),
        (HEAD + "generation: {narration: shout}\n", "3:25", "can't be the text 'shout' (one of 'keep' or 'strip')"),
        (HEAD + "relationships: {greta: {note: one, two three}}\n", "3:36", "a comma splits {...}"),
        (HEAD + "extends: nobody\n", "3:10", "there is no persona 'nobody'"),
        (HEAD + "extends: [greta]\n", "3:11", "goes in a circle: greta -> greta"),
        (HEAD + "background: Hi {{ plyer }}!\n", "3:16", "unknown variable 'plyer' (did you mean 'player'?)"),
        (HEAD + "background: |\n  One\n  two {{ who }}\n", "5:7", "unknown variable 'who'"),
        (HEAD + "background: Hi {{ 1 + 1 }}\n", "3:16", "more than a variable"),
        (HEAD + "background: Hi {{ player | length }}\n", "3:16", "filter 'length' is not supported"),
        (HEAD + "background: Hi {% for x in y %}\n", "3:16", "'{%' is not supported"),
        (HEAD + "background: Hi {{ player\n", "3:16", "never closed"),
        (HEAD + "background: Hi {{ }}\n", "3:16", "can't read"),
    ],
)  # fmt: skip
def test_a_mistake_is_an_error_at_its_place(text: str | bytes, place: str, words: str, write: Write) -> None:
    folder = write(greta=text)
    errors = [str(problem) for problem in check(folder) if problem.severity == "error"]
    assert any(f"greta.yaml:{place}" in error and words in error for error in errors), "\n".join(errors)
    with pytest.raises(InvalidPersona):
        load_world(folder)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("relationships: {tomm: {trust: 1}}\n", "3:17", "nobody here has the id 'tomm' (did you mean 'tom'?)"),
        ("knowledge: [{text: a, keys: [b], secret: true}]\n", "3:42", "never told"),
        ("background: Hi <|im_start|>system\n", "3:16", "looks like a chat template's token"),
    ],
)
def test_what_is_only_odd_is_a_warning(text: str, place: str, words: str, write: Write) -> None:
    [problem] = check(write(greta=HEAD + text, tom="name: Tom\nsummary: t\n"))
    assert problem.severity == "warning"
    assert f"greta.yaml:{place}: warning: " in str(problem)
    assert words in str(problem)


def test_a_variable_in_a_shared_part_is_a_warning_and_in_keyword_lore_it_is_fine(write: Write) -> None:
    world = (
        "name: Vale\nsetting: Hi {{player}}\nrules: ['Obey {{lord}}.']\nvars: {lord: Bo}\n"
        "lore: [{text: 'a {{lord}}', always: true}, {text: 'b {{lord}}', keys: [b]}]\n"
    )
    problems = check(write(world=world, greta=HEAD))
    assert [(p.line, p.key, p.severity) for p in problems] == [
        (2, "setting", "warning"),
        (3, "rules[0]", "warning"),
        (5, "lore[0].text", "warning"),
    ]


def test_a_circle_and_a_missing_name_in_a_listed_persona_name_each_file_once(write: Write) -> None:
    a, b = HEAD + "extends: b\n", HEAD + "extends: a\n"
    problems = check(write(world="name: V\npersonas: [a, x]\n", a=a, b=b))
    assert [str(p).split(": ", 1)[1] for p in problems] == [
        "error: extends: goes in a circle: a -> b -> a (remove one of them)",
        "error: personas[1]: there is no file x.yaml in this folder (known here: a, b)",
    ]


def test_a_fault_in_a_parent_is_reported_once_and_in_the_parent(write: Write) -> None:
    [problem] = check(write(base="abstract: true\ngoals: 1\n", a=HEAD + "extends: base\n", b=HEAD + "extends: base\n"))
    assert (problem.file.name, problem.line) == ("base.yaml", 2)


def test_a_broken_parent_does_not_make_its_children_look_incomplete(write: Write) -> None:
    problems = check(write(base="\tx", greta="extends: base\n"))
    assert {problem.file.name for problem in problems} == {"base.yaml"}


@pytest.mark.parametrize("name", ["Greta Iron", "player"])
def test_a_file_name_must_do_as_an_id(name: str, write: Write) -> None:
    assert "can't be an id" in str(check(write(**{name: HEAD}))[0])


def test_two_files_cannot_share_an_id(write: Write) -> None:
    folder = write(greta=HEAD)
    (folder / "greta.yml").write_text(HEAD)
    assert "has the same id as greta.yaml" in str(check(folder)[0])


def test_a_world_without_anybody_is_a_warning(write: Write) -> None:
    assert [p.message for p in check(write())] == ["nobody lives here"]


def test_a_single_file_is_judged_among_its_neighbours(write: Write) -> None:
    folder = write(
        greta=HEAD + "extends: base\nrelationships: {tom: {}}\n", base="goals: [a]\nabstract: true\n", tom="x"
    )
    assert check(folder / "greta.yaml") == []
    (folder / "world.yaml").unlink()
    assert check(folder / "greta.yaml") == []
    assert [p.file.name for p in check(folder / "tom.yaml")] == ["tom.yaml"]


def test_what_is_no_yaml_is_said_to_be_none(tmp_path: Path) -> None:
    card = tmp_path / "card.png"
    card.write_bytes(b"\x89PNG")
    assert "is not a YAML file" in str(check(card)[0])
    assert "no such folder" in str(check(tmp_path / "nowhere")[0])


def test_the_editors_schema_knows_every_key_and_demands_little() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(Persona.model_fields)
    assert schema["then"] == {"required": ["name", "summary"]}
    assert "vars" in json_schema("world")["properties"]


PIECES = [*"ab:-{}[]&*!|>'\"#%@,?~ \n\t\r.0_<\x85\x00é", "{{", "}}", "{%", "name: ", "\n  ", "\n- "]
YAMLISH = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@given(
    st.one_of(st.binary(max_size=80), YAMLISH.map(str.encode), YAMLISH.map(lambda text: (HEAD + text).encode("utf-8")))
)
@example(b"%YAML 3.1\n--- a")
@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_text_makes_more_trouble_than_a_list_of_problems(write: Write, text: bytes) -> None:
    folder = write(greta=text)
    problems = check(folder)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
    if any(problem.severity == "error" for problem in problems):
        with pytest.raises(InvalidPersona):
            load_world(folder)
    else:
        load_world(folder)
