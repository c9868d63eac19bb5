"""A model is named, found whole, and refused with a reason when it is not."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from npc_engine.errors import OperatorError
from npc_engine.inference.model.catalog import cached_models, resolve
from npc_engine.inference.model.folder import chat_template
from tests.tiny import CHAT_TEMPLATE, make_tiny


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("whole") / "tiny")


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    """A copy of a whole model that a test may break."""
    return shutil.copytree(whole, tmp_path / "model")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def refusal(spec: Path | str, cache: Path) -> str:
    with pytest.raises(OperatorError) as caught:
        resolve(str(spec), cache=cache)
    assert caught.value.remedy
    return str(caught.value)


def test_the_default_model_is_whole(default_model: Path) -> None:
    names = {path.name for path in default_model.iterdir()}
    assert names >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "generation_config.json",
    }
    assert json.loads((default_model / "config.json").read_text())["dtype"] == "bfloat16"
    assert resolve("smollm2-135m", cache=default_model.parent.parent) == default_model


def test_a_warm_cache_needs_no_network_and_no_heavy_library(default_model: Path) -> None:
    program = (
        "import sys, socket, pathlib\n"
        "socket.socket = socket.getaddrinfo = None\n"
        "from npc_engine.inference.model.catalog import resolve\n"
        f"print(resolve('default', cache=pathlib.Path({str(default_model.parent.parent)!r})))\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'gguf', 'numpy', 'filelock'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(default_model)), done.stderr


def test_a_whole_folder_is_used_where_it_is(model: Path, cache: Path) -> None:
    assert resolve(str(model), cache=cache) == model
    assert not cache.exists()


def test_an_unknown_name_is_told_what_would_be_known(cache: Path) -> None:
    assert "smollm2-135m" in refusal("smolm2", cache)
    assert not cache.exists()


def test_a_missing_gguf_file_is_named(tmp_path: Path, cache: Path) -> None:
    assert str(tmp_path / "none.gguf") in refusal(tmp_path / "none.gguf", cache)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(model: Path, cache: Path, name: str) -> None:
    (model / name).unlink()
    assert name in refusal(model, cache)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("kept", [0, 5, 100])
def test_a_file_that_was_cut_short_is_refused_by_its_name(model: Path, cache: Path, name: str, kept: int) -> None:
    (model / name).write_bytes((model / name).read_bytes()[:kept])
    assert name in refusal(model, cache)


def test_weights_that_lost_their_last_byte_are_refused(model: Path, cache: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "cut short" in refusal(model, cache)


def test_weights_with_a_wild_header_length_are_refused(model: Path, cache: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:])
    assert "model.safetensors is damaged" in refusal(model, cache)


def test_a_git_lfs_pointer_is_called_one(model: Path, cache: Path) -> None:
    (model / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    assert "git lfs pull" in refusal(model, cache)


def test_a_missing_shard_is_named(model: Path, cache: Path) -> None:
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert "model-00002-of-00002.safetensors is missing" in refusal(model, cache)
    shutil.copy(model / shards["a"], model / shards["b"])
    assert resolve(str(model), cache=cache) == model


def test_an_index_without_a_map_is_refused(model: Path, cache: Path) -> None:
    (model / "model.safetensors.index.json").write_text("{}")
    assert "weight_map" in refusal(model, cache)


def test_a_model_without_a_chat_template_is_refused(model: Path, cache: Path) -> None:
    (model / "chat_template.jinja").unlink()
    assert "chat template" in refusal(model, cache)


@pytest.mark.parametrize("value", ["T", [{"name": "tool_use", "template": "U"}, {"name": "default", "template": "T"}]])
def test_a_template_in_the_tokenizer_config_counts(model: Path, cache: Path, value: object) -> None:
    assert chat_template(model) == CHAT_TEMPLATE
    (model / "chat_template.jinja").unlink()
    (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": value}))
    assert chat_template(resolve(str(model), cache=cache)) == "T"


def test_an_empty_cache_lists_nothing(cache: Path) -> None:
    assert cached_models(cache) == []
