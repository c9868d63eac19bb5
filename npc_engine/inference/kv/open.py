"""Putting the tiers together, with what an earlier run left on disk."""

import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import torch

from npc_engine.inference.kv.block import root_identity
from npc_engine.inference.kv.cache import KvCache
from npc_engine.inference.kv.codec import CODECS, Codec
from npc_engine.inference.kv.disk import DiskTier
from npc_engine.inference.kv.disk_file import DiskFile
from npc_engine.inference.kv.ram import BlockShape, RamTier
from npc_engine.inference.kv.tree import BlockTree

_log = logging.getLogger(__name__)

_FILE = "blocks.sqlite"


@dataclass(frozen=True, slots=True)
class Tiers:
    """What RAM and disk may hold: budgets in bytes; ``disk`` is a folder, without one there is no such tier.

    ``codec`` names how full blocks are written to disk. ``pin`` page-locks RAM, so that a GPU copies from it by itself.
    """

    ram_budget: int
    disk_budget: int = 0
    disk: Path | None = None
    codec: str = "int4"
    pin: bool = False


def open_cache(shape: BlockShape, dtype: torch.dtype, computed_by: str, tiers: Tiers) -> KvCache:
    """The cache of one model. ``computed_by`` names everything that its numbers depend on.

    A disk that can't be used costs the disk tier, not the start.
    """
    codec = CODECS[tiers.codec]()
    tree = BlockTree(root_identity(computed_by, str(dtype), str(tuple(shape)), codec.name))
    ram = RamTier(shape, dtype, tiers.ram_budget, pin=tiers.pin)
    file = _open_file(tiers)
    if file is None:
        return KvCache(tree, ram, None)
    return _with_disk(tree, ram, file, tiers.disk_budget, codec)


def _with_disk(tree: BlockTree, ram: RamTier, file: DiskFile, budget: int, codec: Codec) -> KvCache:
    try:
        stored = list(file.stored())
    except sqlite3.DatabaseError as error:
        _log.warning("what was kept on disk can't be read (%s): it is computed anew", error)
        file.begin_anew()
        stored = []
    cache = KvCache(tree, ram, DiskTier(file, budget, codec))
    cache.adopt(stored)
    return cache


def _open_file(tiers: Tiers) -> DiskFile | None:
    if tiers.disk is None or not tiers.disk_budget:
        return None
    try:
        return DiskFile(tiers.disk / _FILE, tiers.disk_budget)
    except (sqlite3.Error, OSError) as error:
        _log.warning(
            "attention state can't be kept in %s (%s): after a restart, conversations are read anew. "
            "Free some space there, or set --disk-budget 0.",
            tiers.disk,
            error,
        )
        return None
