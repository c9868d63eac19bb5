"""The model that is measured: named, fetched, and able to count tokens."""

from dataclasses import dataclass
from pathlib import Path

from npc_engine.cli.options import given
from npc_engine.cli.progress import ShownProgress
from npc_engine.config import load_settings
from npc_engine.inference.model.catalog import resolve
from npc_engine.inference.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Subject:
    """``model`` is what ``--model`` says, ``folder`` where it is."""

    model: str
    folder: Path
    tokenizer: Tokenizer

    def count(self, text: str) -> int:
        """Tokens in ``text``."""
        return len(self.tokenizer.encode_text(text))


def find_subject(model: str | None, config: Path | None) -> Subject:
    """What the flags, the environment and the settings file name. Fetches it if it is not here yet."""
    settings = load_settings(given(model=model), config)
    with ShownProgress() as progress:
        folder = resolve(settings.model, cache=settings.cache, report=progress)
    return Subject(settings.model, folder, Tokenizer(folder))
