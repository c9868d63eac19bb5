"""Settings come from flags, the environment and a file, in that order, and a wrong one is traced to where it stands."""

from pathlib import Path

import pytest
import torch

from npc_engine.cli.device_budget import check_device_budget, default_device_budget
from npc_engine.config import (
    default_cache,
    default_disk_budget,
    default_ram_budget,
    example_worlds,
    free_space,
    load_settings,
)
from npc_engine.errors import OperatorError


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    budgets = ("DEVICE_BUDGET", "RAM_BUDGET", "DISK_BUDGET")
    for name in ("PORT", "HTTP_PORT", "HOST", "CACHE", "TOKEN", "MODEL", "DATA", "PERSONAS", "ORIGIN", *budgets):
        monkeypatch.delenv(f"NPC_ENGINE_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "npc-engine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(OperatorError) as caught:
        load_settings(file=write(tmp_path, text))
    assert caught.value.remedy
    return str(caught.value)


def test_without_any_source_the_defaults_are_safe() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.http_port) == ("127.0.0.1", 8765, 8766)
    assert settings.token is None
    assert settings.model == "default"
    assert settings.ram_budget == default_ram_budget() <= 1 << 30
    assert settings.personas == example_worlds()
    assert settings.personas.is_dir()


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, 'port = 1\nhost = "a"\nmodel = "m"\n')
    monkeypatch.setenv("NPC_ENGINE_PORT", "2")
    monkeypatch.setenv("NPC_ENGINE_HOST", "b")
    settings = load_settings({"port": 3, "host": None}, file)
    assert (settings.port, settings.host, settings.model) == (3, "b", "m")


def test_origins_are_listed_in_a_file_or_with_commas_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ("https://game.example", "null")
    assert load_settings({"origin": list(both)}).origin == both
    assert load_settings(file=write(tmp_path, 'origin = ["https://game.example", "null"]')).origin == both
    monkeypatch.setenv("NPC_ENGINE_ORIGIN", "https://game.example, null")
    assert load_settings().origin == both


@pytest.mark.parametrize("origin", ["game.example", "*", "https://*.example", "https://game.example/page"])
def test_what_is_no_origin_is_refused(tmp_path: Path, origin: str) -> None:
    said = refusal(tmp_path, f'origin = ["{origin}"]')
    assert "The setting origin can't be" in said
    assert "such as https://example.org" in said


def test_certificates_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    settings = load_settings(file=write(tmp_path, 'tls_cert = "cert.pem"\ntls_key = "key.pem"'))
    assert (settings.tls_cert, settings.tls_key) == (tmp_path / "cert.pem", tmp_path / "key.pem")


def test_folders_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    settings = load_settings(file=write(tmp_path, 'data = "saves"\npersonas = "~/worlds"\n'))
    assert settings.data == tmp_path / "saves"
    assert settings.personas == tmp_path / "worlds"


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPC_ENGINE_CACHE", str(tmp_path / "c"))
    assert load_settings().cache == default_cache() == tmp_path / "c"


@pytest.mark.parametrize(("text", "expected"), [("512MB", 512 * 10**6), ("2GiB", 2 << 30), ("33554432", 32 << 20)])
def test_sizes_have_units(text: str, expected: int) -> None:
    assert load_settings({"ram_budget": text}).ram_budget == expected


def test_every_tier_has_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, 'disk_budget = 0\ndata = "saves"\n')
    monkeypatch.setenv("NPC_ENGINE_RAM_BUDGET", "64MiB")
    settings = load_settings({"device_budget": "2GiB"}, file)
    assert (settings.device_budget, settings.ram_budget, settings.disk_budget) == (2 << 30, 64 << 20, 0)
    assert settings.kv == tmp_path / "saves" / "kv"
    assert load_settings().device_budget is None


def test_the_disk_gives_a_tenth_of_what_is_free_and_what_was_kept_there_counts_as_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "not" / "yet"
    assert load_settings({"data": data}).disk_budget == min(free_space(tmp_path) // 10, 4 << 30)
    monkeypatch.setattr("npc_engine.config.free_space", lambda folder: 9_000)
    assert default_disk_budget(data) == 900
    (data / "kv").mkdir(parents=True)
    (data / "kv" / "blocks").write_bytes(b"x" * 1_000)
    assert default_disk_budget(data) == 1_000


def test_the_device_always_holds_one_context() -> None:
    device = torch.device("cpu")
    assert default_device_budget(device, least=1) <= 1 << 30
    assert default_device_budget(device, least=1 << 50) == 1 << 50
    check_device_budget(100, 100, max_context=8)
    with pytest.raises(OperatorError, match=r"does not hold one context of 8 tokens.*at least 100 bytes"):
        check_device_budget(99, 100, max_context=8)


def test_a_wrong_value_names_key_place_and_what_would_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "npc-engine.toml" in refusal(tmp_path, "port = 70000")
    with pytest.raises(OperatorError, match=r"port .*70000.*--port.*65535"):
        load_settings({"port": 70000})
    monkeypatch.setenv("NPC_ENGINE_RAM_BUDGET", "much")
    with pytest.raises(OperatorError, match=r"ram_budget .*much.*NPC_ENGINE_RAM_BUDGET.*512MB"):
        load_settings()


def test_an_unknown_key_gets_the_nearest_one(tmp_path: Path) -> None:
    assert "Did you mean port?" in refusal(tmp_path, "prot = 1")
    assert "Known settings: host" in refusal(tmp_path, "zzz = 1")


def test_a_file_that_can_not_be_read_or_understood_is_named(tmp_path: Path) -> None:
    assert "npc-engine.toml is not valid TOML" in refusal(tmp_path, "port = = 1")
    with pytest.raises(OperatorError, match=r"none\.toml can't be read"):
        load_settings(file=tmp_path / "none.toml")


def test_a_token_is_never_shown(tmp_path: Path) -> None:
    assert "sesame" not in repr(load_settings({"token": "sesame"}))
    assert "[1234" not in refusal(tmp_path, "token = [1234]")
