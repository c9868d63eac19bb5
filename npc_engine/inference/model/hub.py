"""A model from the Hugging Face hub, fetched only because the user named it. Runs as a process of its own.

Usage: ``python -m npc_engine.inference.model.hub ORG/NAME TARGET`` (see child.py for what it prints).
"""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from npc_engine.errors import OperatorError
from npc_engine.inference.model.child import Teller, run_child, serve_parent
from npc_engine.inference.model.folder import CHAT_TEMPLATE, INDEX, WEIGHTS, chat_template, folder_bytes
from npc_engine.inference.model.progress import Progress
from npc_engine.inference.model.room import disk_full, is_full, require_room

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

_WANTED = re.compile(r"[^/]+\.(json|jinja|model|txt)")
_SAFETENSORS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_PICKLES = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin")


def is_hub_id(spec: str) -> bool:
    """Whether ``spec`` is spelt like a hub id, ``org/name``."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]*[A-Za-z0-9]", spec) is not None


def fetch(model_id: str, target: Path, report: Progress) -> None:
    """Download what is needed of ``model_id`` into ``target``; what is there already is not fetched again.

    Raises OperatorError when the hub can't be reached, refuses, or has no weights that can be used.
    """
    report.begin(f"Asking the Hugging Face hub for {model_id}, as --model names it")
    run_child(
        __name__,
        [model_id, str(target)],
        report,
        doing=f"the download of {model_id}",
        writes=target.parent,
        environment={"HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        done=lambda: folder_bytes(target),
    )
    if not (target / CHAT_TEMPLATE).is_file():
        (target / CHAT_TEMPLATE).write_text(chat_template(target), encoding="utf-8")


def _download(model_id: str, target: Path, report: Progress) -> None:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub import errors as hub

    try:
        info = HfApi().model_info(model_id, files_metadata=True)
        sizes = _choose(model_id, info)
        target.mkdir(parents=True, exist_ok=True)
        require_room(target, sum(sizes.values()) - folder_bytes(target))
        report.begin(f"Downloading {model_id} from the Hugging Face hub", sum(sizes.values()))
        snapshot_download(model_id, revision=info.sha, allow_patterns=list(sizes), local_dir=target)
    except hub.GatedRepoError as error:
        raise OperatorError(
            f"The Hugging Face hub refuses {model_id}: its owner asks you to accept its terms first.",
            remedy="Accept them on the model's page, then run 'hf auth login' or set HF_TOKEN.",
        ) from error
    except hub.RepositoryNotFoundError as error:
        raise OperatorError(
            f"The Hugging Face hub has no model {model_id}, or it is private.",
            remedy="Check the spelling (org/name); for a private one run 'hf auth login' or set HF_TOKEN.",
        ) from error
    except hub.OfflineModeIsEnabled as error:
        raise OperatorError(
            f"{model_id} is not in the cache, and HF_HUB_OFFLINE forbids asking the Hugging Face hub.",
            remedy="Unset HF_HUB_OFFLINE, or name a model that is here with --model.",
        ) from error
    except OperatorError:
        raise
    except Exception as error:  # the HTTP library's errors are not the hub library's, and change with its version
        if is_full(error):
            raise disk_full(target.parent) from error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise OperatorError(
            f"{model_id} can't be had from the Hugging Face hub: {reason.rstrip('.')}.",
            remedy="Check that this machine is online and try again (a download goes on where it stopped), "
            "or name a model that is here with --model.",
        ) from error


def _choose(model_id: str, info: "ModelInfo") -> dict[str, int]:
    """The files to fetch, with their sizes in bytes: small ones that describe the model, and one set of weights."""
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    for kind in (_SAFETENSORS, _PICKLES):
        weights = [name for name in sizes if kind.fullmatch(name)]
        if WEIGHTS in weights and INDEX not in sizes:
            weights = [WEIGHTS]
        if weights:
            small = [name for name in sizes if _WANTED.fullmatch(name)]
            return {name: sizes[name] for name in sorted([*weights, *small])}
    if any(name.endswith(".gguf") for name in sizes):
        raise OperatorError(
            f"{model_id} holds only GGUF files, and a name does not say which of them.",
            remedy="Download the one you want and give its path to --model.",
        )
    raise OperatorError(
        f"{model_id} holds no weights that this engine can read.",
        remedy="Choose a model with safetensors, such as an instruct model of SmolLM2, Qwen or Gemma.",
    )


def main() -> int:
    """Entry point of the child process."""
    model_id, target = sys.argv[1], Path(sys.argv[2])
    return serve_parent(lambda: _download(model_id, target, Teller()))


if __name__ == "__main__":
    sys.exit(main())
