"""A GGUF file, or a folder of older weights, becomes a folder of safetensors. Runs as a process of its own.

Usage: ``python -m npc_engine.inference.model.converter SOURCE TARGET`` (see child.py for what it prints).
"""

import sys
from pathlib import Path
from typing import Any

from npc_engine.errors import OperatorError
from npc_engine.inference.model.child import Teller, serve_parent
from npc_engine.inference.model.folder import CHAT_TEMPLATE
from npc_engine.inference.model.progress import Progress
from npc_engine.inference.model.room import disk_full, is_full, require_room

_GGUF_MAGIC = b"GGUF"
_BYTES_PER_WEIGHT = 2
_TOKENIZER_BYTES = 64 << 20


def convert(source: Path, target: Path, report: Progress) -> None:
    """Write ``source``, a GGUF file or a folder, into the folder ``target`` as bfloat16 or as its folder says.

    Raises OperatorError when ``source`` is damaged, of a kind that the library can't read, or has no chat template.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        if source.is_dir():
            _convert_folder(source, target, report)
        else:
            _convert_gguf(source, target, report)
        report.begin("Checking what was written")
        _check_tokenizer(target)
    except OperatorError:
        raise
    except Exception as error:
        if is_full(error):
            raise disk_full(target.parent) from error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise OperatorError(
            f"{source} can't be converted: {reason.rstrip('.')}.",
            remedy="Use a causal language model that transformers loads; download the file again if it may be damaged.",
        ) from error


def _convert_gguf(source: Path, target: Path, report: Progress) -> None:
    report.begin(f"Reading {source.name}")
    template = _inspect_gguf(source, target)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # The library looks for other files beside the GGUF file, and would mix in those of another model.
    alone = _alone(source, target.parent / "source")
    report.begin("Reading the tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(alone.parent, gguf_file=alone.name)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(target)
    report.begin("Unpacking the weights to bfloat16")
    model, loading = AutoModelForCausalLM.from_pretrained(
        alone.parent,
        gguf_file=alone.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        output_loading_info=True,
    )
    _save_model(model, loading, source, target, report)


def _convert_folder(source: Path, target: Path, report: Progress) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    report.begin("Reading the tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(source)
    if tokenizer.chat_template is None:
        raise OperatorError(
            f"The model in {source} has no chat template, so it was not made for conversations.",
            remedy=f"Take an instruct or chat variant of it, or put a {CHAT_TEMPLATE} into the folder.",
        )
    tokenizer.save_pretrained(target)
    report.begin("Reading the weights")
    model, loading = AutoModelForCausalLM.from_pretrained(source, dtype="auto", output_loading_info=True)
    _save_model(model, loading, source, target, report)


def _save_model(model: Any, loading: dict[str, Any], source: Path, target: Path, report: Progress) -> None:
    missing = sorted(loading["missing_keys"])
    if missing:
        # The library fills what is missing with random numbers, and only warns.
        raise OperatorError(
            f"{source} lacks {len(missing)} of the model's tensors, {missing[0]} among them.",
            remedy="Download it again, or take another conversion of the model.",
        )
    for name, weight in model.named_parameters():
        if not bool(weight.isfinite().all()):
            raise OperatorError(
                f"{source} is damaged: {name} holds values that are not finite.", remedy="Download it again."
            )
    report.begin("Writing safetensors")
    require_room(target, sum(p.numel() * p.element_size() for p in model.parameters()))
    model.save_pretrained(target)
    model.generation_config.save_pretrained(target)


def _inspect_gguf(source: Path, target: Path) -> str:
    """Check that the file is whole and that there is room for it; return its chat template."""
    damaged = "Download it again; if it was copied, copy it again."
    with source.open("rb") as file:
        if file.read(len(_GGUF_MAGIC)) != _GGUF_MAGIC:
            raise OperatorError(f"{source} is no GGUF file: it does not begin as one.", remedy=damaged)
    from gguf import GGUFReader

    try:
        reader = GGUFReader(source)
    except Exception as error:  # the reader has no errors of its own: whatever its arithmetic trips over
        raise OperatorError(f"{source} is damaged or cut short ({error}).", remedy=damaged) from error
    fields = reader.fields
    if "split.count" in fields and fields["split.count"].contents() > 1:
        raise OperatorError(
            f"{source} is one of {fields['split.count'].contents()} parts of a model.",
            remedy="Merge them into one file with llama.cpp's gguf-split --merge.",
        )
    if "tokenizer.ggml.tokens" not in fields:
        raise OperatorError(f"{source} holds no tokenizer.", remedy="Use a GGUF file of a whole language model.")
    require_room(target, _TOKENIZER_BYTES + _BYTES_PER_WEIGHT * sum(int(t.n_elements) for t in reader.tensors))
    beside = template_beside(source)
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    if "tokenizer.chat_template" in fields:
        return str(fields["tokenizer.chat_template"].contents())
    raise OperatorError(
        f"{source} has no chat template, so it was not made for conversations.",
        remedy=f"Take an instruct or chat variant of it, or put its template into {beside}.",
    )


def template_beside(gguf: Path) -> Path:
    """Where a user may put a chat template for a GGUF file that has none, or a bad one."""
    return gguf.with_suffix(".jinja")


def _alone(source: Path, folder: Path) -> Path:
    """``source`` in a folder of its own, without copying it where the system allows that."""
    folder.mkdir()
    link = folder / "model.gguf"
    for make_link in (link.symlink_to, link.hardlink_to):
        try:
            make_link(source.resolve())
        except OSError:
            continue
        return link
    return source


def _check_tokenizer(target: Path) -> None:
    from tokenizers import Tokenizer

    sample = "Two days. Don't rush iron."
    tokenizer = Tokenizer.from_file(str(target / "tokenizer.json"))
    if tokenizer.decode(tokenizer.encode(sample, add_special_tokens=False).ids).strip() != sample:
        raise OperatorError(
            "The model's tokenizer does not give back what is put in.", remedy="Take another conversion of the model."
        )


def main() -> int:
    """Entry point of the child process."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    return serve_parent(lambda: convert(source, target, Teller()))


if __name__ == "__main__":
    sys.exit(main())
