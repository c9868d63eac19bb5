"""What a model folder must hold, checked in milliseconds and without the libraries that read it."""

import json
import math
from pathlib import Path
from typing import Any

from npc_engine.errors import OperatorError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CHAT_TEMPLATE = "chat_template.jinja"

_LENGTH_BYTES = 8
# The format's own limit, so that a damaged length is not taken for a header of exabytes.
_MAX_HEADER_BYTES = 100_000_000
_TAIL_BYTES = 16
_LFS_MARK = b"version https://git-lfs"


def check_folder(folder: Path, *, remedy: str = "") -> None:
    """Raise OperatorError unless ``folder`` holds a whole model: config, weights, tokenizer and chat template.

    Weights are not read: their headers and sizes must agree. ``remedy`` replaces the advice for a folder that the
    reader did not fill.
    """
    _read_json(folder / "config.json", remedy or "Point --model at a folder that holds a model.")
    for path in weight_files(folder, remedy=remedy):
        check_safetensors(path, remedy=remedy)
    _check_tokenizer(folder / "tokenizer.json", remedy)
    chat_template(folder)


def weight_files(folder: Path, *, remedy: str = "") -> list[Path]:
    """The safetensors files of ``folder``, one or many. Raises OperatorError when there are none."""
    index = folder / INDEX
    if index.is_file():
        names = _read_json(index, remedy or "Copy the folder again.").get("weight_map")
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            raise OperatorError(f"{index} has no weight_map.", remedy=remedy or "Copy the folder again.")
        return [folder / name for name in sorted(set(names.values()))]
    if not (folder / WEIGHTS).is_file():
        raise OperatorError(
            f"{folder} holds no weights: {WEIGHTS} is missing.", remedy=remedy or "Copy the whole model folder."
        )
    return [folder / WEIGHTS]


def check_safetensors(path: Path, *, remedy: str = "") -> None:
    """Raise OperatorError unless the header of ``path`` can be read and promises as many bytes as the file has."""
    remedy = remedy or "Copy or download the file again."
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_LENGTH_BYTES)
            if head and _LFS_MARK.startswith(head):
                raise OperatorError(
                    f"{path} is a Git LFS pointer, not the weights.", remedy="Run 'git lfs pull' in that folder."
                )
            length = int.from_bytes(head, "little")
            if len(head) < _LENGTH_BYTES or length > min(_MAX_HEADER_BYTES, size):
                raise OperatorError(f"{path} is damaged: it does not begin with a safetensors header.", remedy=remedy)
            header = json.loads(file.read(length))
            promised = _LENGTH_BYTES + length + _data_bytes(header)
    except FileNotFoundError:
        raise OperatorError(f"{path} is missing.", remedy=remedy) from None
    except OSError as error:
        raise OperatorError(
            f"{path} can't be read ({error}).", remedy="Check the file's rights and the disk."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OperatorError(f"{path} is damaged: its header can't be read.", remedy=remedy) from None
    if size != promised:
        state = "cut short" if size < promised else "too long"
        raise OperatorError(f"{path} is {state}: {size:,} bytes, and its header promises {promised:,}.", remedy=remedy)


def chat_template(folder: Path) -> str:
    """The model's chat template (Jinja source), from its own file or from ``tokenizer_config.json``.

    Raises OperatorError when there is none: without it nobody knows how the model was taught to talk.
    """
    path = folder / CHAT_TEMPLATE
    try:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise OperatorError(f"{path} can't be read ({error}).", remedy="Put a readable template there.") from None
    config = folder / "tokenizer_config.json"
    if config.is_file():
        found = _template_in(_read_json(config, "Copy the folder again.").get("chat_template"))
        if found is not None:
            return found
    raise OperatorError(
        f"The model in {folder} has no chat template, so it was not made for conversations.",
        remedy=f"Take an instruct or chat variant of it, or put a {CHAT_TEMPLATE} into the folder.",
    )


def count_parameters(folder: Path) -> int:
    """How many numbers the weights of ``folder`` are, from their headers. Call ``check_folder`` first."""
    total = 0
    for path in weight_files(folder):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(_LENGTH_BYTES), "little")))
        total += sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return total


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below ``folder``, as far as they can be seen while others write them."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def _check_tokenizer(path: Path, remedy: str) -> None:
    """Its two ends only: parsing these megabytes takes longer than all other checks together."""
    try:
        with path.open("rb") as file:
            first = file.read(1)
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            whole = first == b"{" and file.read().rstrip().endswith(b"}")
    except FileNotFoundError:
        raise OperatorError(
            f"{path} is missing.",
            remedy=remedy or "Save the model's fast tokenizer there, as transformers' save_pretrained does.",
        ) from None
    except OSError as error:
        raise OperatorError(
            f"{path} can't be read ({error}).", remedy="Check the file's rights and the disk."
        ) from None
    if not whole:
        raise OperatorError(f"{path} is damaged or cut short.", remedy=remedy or "Copy or download it again.")


def _template_in(value: Any) -> str | None:
    """A template as older folders store it: one string, or named ones in a list."""
    if isinstance(value, list):
        named = {entry.get("name"): entry.get("template") for entry in value if isinstance(entry, dict)}
        value = named.get("default")
    return value if isinstance(value, str) else None


def _data_bytes(header: dict[str, Any]) -> int:
    ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
    return max(ends, default=0)


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OperatorError(f"{path} is missing.", remedy=remedy) from None
    except OSError as error:
        raise OperatorError(
            f"{path} can't be read ({error}).", remedy="Check the file's rights and the disk."
        ) from None
    except ValueError as error:
        raise OperatorError(f"{path} is damaged: {error}.", remedy=remedy) from None
    if not isinstance(value, dict):
        raise OperatorError(f"{path} is damaged: it holds no JSON object.", remedy=remedy)
    return value
