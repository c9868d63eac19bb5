"""A GGUF file becomes a folder that loads, or a clear refusal."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from npc_engine.errors import OperatorError
from npc_engine.inference.model.catalog import cached_models, resolve
from npc_engine.inference.model.converter import convert
from npc_engine.inference.model.folder import chat_template, check_folder
from npc_engine.inference.model.progress import Silent
from tests.tiny import CHAT_TEMPLATE, make_tiny
from tests.tiny_gguf import write_tiny_gguf


def refusal(source: Path, target: Path) -> str:
    with pytest.raises(OperatorError) as caught:
        convert(source, target, Silent())
    assert caught.value.remedy
    return str(caught.value)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "work" / "model"


def test_a_users_file_is_converted_once_and_again_when_it_changes(tmp_path: Path) -> None:
    path, cache = write_tiny_gguf(tmp_path / "tiny.gguf"), tmp_path / "cache"
    folder = resolve(str(path), cache=cache)
    check_folder(folder)
    assert chat_template(folder) == CHAT_TEMPLATE
    weights = load_file(folder / "model.safetensors")
    assert weights["model.embed_tokens.weight"].dtype == torch.bfloat16
    assert "model.layers.1.mlp.down_proj.weight" in weights
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode("the héarth").ids) == "the héarth"
    assert tokenizer.token_to_id("<|im_end|>") == 2
    before = (folder / "config.json").stat().st_mtime_ns
    assert resolve(str(path), cache=cache) == folder
    assert (folder / "config.json").stat().st_mtime_ns == before
    (model,) = cached_models(cache)
    assert model.origin == str(path)
    assert resolve(model.name, cache=cache) == folder
    os.utime(path, (1, 1))
    assert resolve(str(path), cache=cache) != folder


def test_a_truncated_file_is_refused_by_name_and_nothing_is_kept(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(OperatorError, match=r"tiny\.gguf is damaged or cut short"):
        resolve(str(path), cache=tmp_path / "cache")
    assert cached_models(tmp_path / "cache") == []


@pytest.mark.parametrize("kept", [4, 20, 300, 3000])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, target: Path, kept: int) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    path.write_bytes(path.read_bytes()[:kept])
    assert "tiny.gguf is damaged" in refusal(path, target)


@pytest.mark.parametrize("content", [b"", b"GGML", b"PK\x03\x04 a zip, say"])
def test_another_kind_of_file_is_refused(tmp_path: Path, target: Path, content: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    assert "is no GGUF file" in refusal(path, target)


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path: Path, target: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", drop="blk.1.ffn_up.weight")
    assert "model.layers.1.mlp.up_proj.weight" in refusal(path, target)


def test_a_file_without_a_chat_template_takes_one_from_beside_it(tmp_path: Path, target: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", template=None)
    assert str(tmp_path / "tiny.jinja") in refusal(path, target)
    (tmp_path / "tiny.jinja").write_text("{{ messages }}")
    convert(path, tmp_path / "second" / "model", Silent())
    assert chat_template(tmp_path / "second" / "model") == "{{ messages }}"


def test_a_folder_of_older_weights_is_converted_into_the_cache(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "old")
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    converted = resolve(str(folder), cache=tmp_path / "cache")
    assert converted.parent == tmp_path / "cache" / "models"
    again = load_file(converted / "model.safetensors")
    assert all(torch.equal(again[name], weights[name]) for name in weights)


def test_a_damaged_folder_of_older_weights_is_refused(tmp_path: Path, target: Path) -> None:
    folder = make_tiny(tmp_path / "old")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"PK\x03\x04 cut")
    assert str(folder) in refusal(folder, target)
