"""The shape of a decoder, read from its folder's ``config.json``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch

from npc_engine.errors import OperatorError


class KvSizes(TypedDict):
    """The sizes of K and of V: layers, heads and channels of each head."""

    layers: int
    kv_heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Sizes that the KV cache and the runner share. ``end_ids`` are the token ids after which a reply is over."""

    folder: Path
    model_type: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    max_positions: int
    end_ids: frozenset[int]
    config: dict[str, Any]

    @property
    def group(self) -> int:
        """Query heads that share one KV head."""
        return self.heads // self.kv_heads

    @property
    def kv_sizes(self) -> KvSizes:
        """What one token's K and V are, for all that keeps them."""
        return KvSizes(layers=self.layers, kv_heads=self.kv_heads, head_dim=self.head_dim)

    @property
    def norm_eps(self) -> float:
        """What keeps a root mean square norm from dividing by nothing."""
        return float(self.config.get("rms_norm_eps", 1e-6))

    def kv_bytes_per_token(self, dtype: torch.dtype) -> int:
        """Bytes of K and V over all layers for one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim * dtype.itemsize


def read_spec(folder: Path) -> ModelSpec:
    """Read ``folder/config.json``. Raises OperatorError when it is missing or is not a decoder's."""
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        config = config.get("text_config", config)
        heads = int(config["num_attention_heads"])
        hidden = int(config["hidden_size"])
        return ModelSpec(
            folder=folder,
            model_type=str(config["model_type"]),
            layers=int(config["num_hidden_layers"]),
            hidden=hidden,
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or hidden // heads),
            vocab=int(config["vocab_size"]),
            max_positions=int(config["max_position_embeddings"]),
            end_ids=_end_ids(folder, config),
            config=config,
        )
    except FileNotFoundError:
        raise OperatorError(f"{path} is missing.", remedy="Point --model at a folder that holds a model.") from None
    except (KeyError, TypeError, ValueError) as error:
        raise OperatorError(
            f"{path} does not describe a decoder that this engine can run: {error!r}.",
            remedy="Use a causal language model that transformers loads.",
        ) from error


def _end_ids(folder: Path, config: dict[str, Any]) -> frozenset[int]:
    ids: set[int] = set()
    generation = folder / "generation_config.json"
    sources = [config]
    if generation.is_file():
        sources.append(json.loads(generation.read_text(encoding="utf-8")))
    for source in sources:
        value = source.get("eos_token_id")
        if value is not None:
            ids.update([value] if isinstance(value, int) else value)
    return frozenset(ids)
