"""A folder becomes a world, or a list of everything that is wrong with it."""

from pathlib import Path

import pytest

from npc_engine.errors import InvalidPersona
from npc_engine.persona import load_library, load_world

from .conftest import Write

GRETA = "name: Greta\nsummary: the smith\n"


def test_a_name_and_a_summary_are_enough(write: Write) -> None:
    loaded = load_world(write(greta=GRETA))
    assert loaded.id == "vale"
    assert loaded.names == {"greta": "Greta"}
    assert loaded.personas["greta"].mood.default == "calm"
    assert loaded.warnings == ()


def test_byte_order_mark_and_windows_line_ends_are_fine(write: Write) -> None:
    folder = write(greta=b"\xef\xbb\xbf" + GRETA.replace("\n", "\r\n").encode())
    assert load_world(folder).personas["greta"].summary == "the smith"


def test_yes_no_and_dates_stay_text_as_yaml_1_2_says(write: Write) -> None:
    persona = load_world(write(greta="name: No\nsummary: yes\ngoals: [2020-01-01]\n")).personas["greta"]
    assert (persona.name, persona.summary, persona.goals) == ("No", "yes", ("2020-01-01",))


def test_problems_of_all_files_come_together_and_warnings_do_not_stop_a_world(write: Write) -> None:
    folder = write(greta="name: Greta\n", tom="nme: Tom\n", world="name: Vale\nlor: []\n")
    with pytest.raises(InvalidPersona) as caught:
        load_world(folder)
    text = str(caught.value)
    assert "greta.yaml:1:1: error: summary: is missing" in text
    assert "tom.yaml:1:1: error: nme: unknown key (did you mean 'name'?)" in text
    assert "world.yaml:2:1: error: lor: unknown key (did you mean 'lore'?)" in text


def test_a_warning_is_kept_and_does_no_harm(write: Write) -> None:
    loaded = load_world(write(greta=GRETA + "relationships: {nobody: {trust: 1}}\n"))
    assert [problem.severity for problem in loaded.warnings] == ["warning"]


def test_a_long_list_of_problems_is_cut(write: Write) -> None:
    keys = "".join(f"x{number}: 1\n" for number in range(30))
    with pytest.raises(InvalidPersona, match="and 10 more"):
        load_world(write(greta=GRETA + keys))


def test_only_listed_personas_live_in_a_world_and_the_rest_can_still_be_extended(write: Write) -> None:
    world = "name: Vale\npersonas: [greta]\n"
    loaded = load_world(write(world=world, greta="extends: base\nname: G\n", base="name: B\nsummary: s\n"))
    assert set(loaded.personas) == {"greta"}
    assert loaded.personas["greta"].summary == "s"


def test_a_library_is_one_world_or_a_folder_of_them(write: Write) -> None:
    folder = write(greta=GRETA)
    (folder / "world.yaml").rename(folder / "world.yml")
    assert set(load_library(folder)) == {"vale"}
    assert set(load_library(folder.parent)) == {"vale"}


@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_a_folder_that_holds_no_world_is_said_to(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidPersona):
        load_library(tmp_path / name)


def test_a_world_file_that_is_no_ordinary_file_is_refused(write: Write) -> None:
    folder = write(greta=GRETA)
    (folder / "world.yaml").unlink()
    with pytest.raises(InvalidPersona, match=r"world\.yaml:1:1: error: is missing"):
        load_world(folder)
    (folder / "world.yaml").mkdir()
    with pytest.raises(InvalidPersona, match="not an ordinary file"):
        load_world(folder)


def test_lists_append_maps_merge_and_others_replace(write: Write) -> None:
    base = (
        "abstract: true\nspeech_style: Mumble.\ngoals: [eat, sleep]\nmood: {default: sad}\nmemory: {digest_tokens: 9}\n"
    )
    child = (
        "extends: base\nname: G\nsummary: s\nspeech_style: Shout.\ngoals: [sleep, sing]\nmemory: {window_tokens: 500}\n"
    )
    loaded = load_world(write(base=base, greta=child))
    assert set(loaded.personas) == {"greta"}
    greta = loaded.personas["greta"]
    assert greta.speech_style == "Shout."
    assert greta.goals == ("eat", "sleep", "sing")
    assert (greta.memory.window_tokens, greta.memory.digest_tokens) == (500, 9)
    assert (greta.mood.default, greta.abstract, greta.extends) == ("sad", False, ("base",))


def test_later_parents_win_over_earlier_ones(write: Write) -> None:
    parent = "abstract: true\nspeech_style: {}\n"
    folder = write(a=parent.format("A"), b=parent.format("B"), greta=GRETA + "extends: [a, b]\n")
    assert load_world(folder).personas["greta"].speech_style == "B"
