"""What the operator can set, and where each value came from.

Rising priority: defaults, one TOML file, ``NPC_ENGINE_*`` variables, flags. Every source spells a key alike: ``port``
in the file is ``NPC_ENGINE_PORT`` in the environment and ``--port`` on the command line.
"""

import difflib
import os
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
import psutil
from pydantic import BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from npc_engine.errors import OperatorError

ENV_PREFIX = "NPC_ENGINE_"
_APP = "npc-engine"
_MAX_DEFAULT_RAM = 1 << 30
_MAX_DEFAULT_DISK = 4 << 30
_KV = "kv"


def default_cache() -> Path:
    """Where models are kept for all data folders: ``NPC_ENGINE_CACHE``, or the user's cache folder."""
    named = os.environ.get(f"{ENV_PREFIX}CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path(_APP, appauthor=False)


def default_data() -> Path:
    """Where journals are kept unless the operator says otherwise: the user's data folder."""
    return platformdirs.user_data_path(_APP, appauthor=False)


def example_worlds() -> Path:
    """The worlds that come with the engine: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    packaged = package / "example_worlds"
    return packaged if packaged.is_dir() else package.parent / "personas"


def default_ram_budget() -> int:
    """Bytes for kept attention state: a quarter of the machine's memory, at most 1 GiB.

    1 GiB holds some seventy conversations of 600 tokens with the default model. A game runs beside this process, so
    whoever has memory to give says so.
    """
    return min(psutil.virtual_memory().total // 4, _MAX_DEFAULT_RAM)


def default_disk_budget(data: Path) -> int:
    """Bytes for attention state in the data folder ``data``: a tenth of what its disk has free, at most 4 GiB.

    What an earlier run has kept there counts as free, or every start would allow a little less than the one before.
    """
    kept = sum(file.stat().st_size for file in (data / _KV).glob("*") if file.is_file())
    return min((free_space(data) + kept) // 10, _MAX_DEFAULT_DISK)


def free_space(folder: Path) -> int:
    """Bytes that are free on the disk where ``folder`` is, or will be once it exists."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    return shutil.disk_usage(there).free


def _expand(value: Any) -> Any:
    return os.path.expanduser(value) if isinstance(value, str) else value  # noqa: PTH111


def _split(value: Any) -> Any:
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


Folder = Annotated[Path, BeforeValidator(_expand)]
File = Folder
Origin = Annotated[str, Field(pattern=r"^(null|[A-Za-z][A-Za-z0-9+.-]*://[^/\s*]+/?)$")]
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """One engine's settings. Each field's description says what a right value is."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", min_length=1, description="an address of this machine, 0.0.0.0 for all of them")
    port: Port = Field(8765, description="a whole number from 0 to 65535, 0 for any free port")
    http_port: Port = Field(8766, description="a whole number from 0 to 65535, 0 for no HTTP")
    neuro_port: Port = Field(0, description="a whole number from 0 to 65535, 0 for no games of the Neuro SDK")
    neuro_persona: str | None = Field(None, min_length=1, description="a persona that plays those games")
    data: Folder = Field(default_factory=default_data, description="a folder for journals and what NPCs remember")
    personas: Folder = Field(default_factory=example_worlds, description="a folder of persona and world files")
    model: str = Field(
        "default",
        min_length=1,
        description="default, a model folder, a .gguf file, a Hugging Face id (org/name), or mock for none",
    )
    mock_pace: float = Field(0.0, ge=0, le=60, description="seconds that the mock takes for a token, from 0 to 60")
    seed: int | None = Field(None, ge=0, lt=1 << 63, description="a whole number from 0 on")
    token: SecretStr | None = Field(None, min_length=1, description="what clients must send in hello")
    origin: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="web pages as browsers spell them, such as https://example.org, or null for local files"
    )
    tls_cert: File | None = Field(None, description="a PEM file with a certificate")
    tls_key: File | None = Field(None, description="a PEM file with the certificate's key")
    cache: Folder = Field(default_factory=default_cache, description="a folder for models")
    max_batch: int = Field(32, ge=1, le=1024, description="how many NPCs may speak at once, from 1 to 1024")
    threads: int | None = Field(None, ge=1, le=1024, description="how many processor threads to use, at least 1")
    dtype: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto, float32 or bfloat16")
    weights: Literal["auto", "exact", "int8"] = Field("auto", description="auto, exact or int8")
    max_context: int = Field(4096, ge=256, description="tokens that an NPC's prompt may take, at least 256")
    ram_budget: ByteSize = Field(
        default_factory=lambda: ByteSize(default_ram_budget()),
        ge=16 << 20,
        description="an amount of memory such as 512MB or 2GiB, at least 16MiB",
    )
    device_budget: ByteSize | None = Field(
        None, ge=1, description="an amount of memory such as 512MB or 2GiB, enough for max_context tokens"
    )
    disk_budget: ByteSize = Field(
        default_factory=lambda known: ByteSize(default_disk_budget(known["data"])),
        description="an amount of disk space such as 500MB or 4GiB, 0 for none",
    )

    @property
    def secret(self) -> str | None:
        """The token in the clear, for whoever asks for it or sends it."""
        return self.token.get_secret_value() if self.token else None

    @property
    def kv(self) -> Path:
        """Where attention state is kept on disk."""
        return self.data.absolute() / _KV

    @property
    def kernels(self) -> Path:
        """Where kernels that were compiled for this machine are kept."""
        return self.cache.absolute() / "kernels"

    @property
    def timings(self) -> Path:
        """Where what was measured on this machine is kept."""
        return self.cache.absolute() / "timings"


def load_settings(flags: Mapping[str, Any] | None = None, file: Path | None = None) -> Settings:
    """Settings from ``flags`` (None values were not given), the environment and ``file``.

    Relative folders in ``file`` are relative to it. Raises OperatorError that names the key, where its value came from
    and what would be right.
    """
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    from_file = _read_file(file) if file is not None else {}

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=from_file)

    try:
        return Layered(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0])
        raise _explain(key, first["type"], first["input"], _source(key, given, file)) from None


def _read_file(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OperatorError(
            f"The settings file {file} can't be read ({error.strerror}).", remedy="Check the path after --config."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"The settings file {file} is not valid TOML: {error}.", remedy='Write one setting a line: key = "value".'
        ) from None
    for key in ("data", "personas", "cache", "tls_cert", "tls_key"):
        if isinstance(values.get(key), str):
            values[key] = str(file.absolute().parent / Path(values[key]).expanduser())
    return values


def _source(key: str, flags: Mapping[str, Any], file: Path | None) -> str:
    if key in flags:
        return f"--{key.replace('_', '-')}"
    variable = f"{ENV_PREFIX}{key.upper()}"
    return variable if os.environ.get(variable) else str(file)


def _explain(key: str, kind: str, value: Any, source: str) -> OperatorError:
    known = Settings.model_fields
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"Known settings: {', '.join(known)}."
        return OperatorError(f"There is no setting {key} (from {source}).", remedy=hint)
    shown = "the given one" if key == "token" else repr(value)
    return OperatorError(
        f"The setting {key} can't be {shown} (from {source}).", remedy=f"It should be {known[key].description}."
    )
