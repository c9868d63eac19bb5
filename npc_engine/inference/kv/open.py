"""Putting the tiers together, with what an earlier run left on disk."""

import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import torch

from npc_engine.inference.kv.block import root_identity
from npc_engine.inference.kv.cache import KvCache
from npc_engine.inference.kv.codec import CODECS
from npc_engine.inference.kv.copies import Copies
from npc_engine.inference.kv.disk import DiskTier
from npc_engine.inference.kv.disk_file import DiskFile, Stored
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


def open_cache(
    shape: BlockShape, dtype: torch.dtype, computed_by: str, tiers: Tiers, copies: Copies | None = None
) -> KvCache:
    """The cache of one model. ``computed_by`` names everything that its numbers depend on; ``copies`` as in KvCache.

    A disk that can't be used costs the disk tier, not the start.
    """
    codec = CODECS[tiers.codec]()
    tree = BlockTree(root_identity(computed_by, str(dtype), str(tuple(shape)), codec.name))
    ram = RamTier(shape, dtype, tiers.ram_budget, pin=tiers.pin)
    opened = _open_file(tiers)
    if opened is None:
        return KvCache(tree, ram, None, copies)
    file, stored = opened
    cache = KvCache(tree, ram, DiskTier(file, tiers.disk_budget, codec), copies)
    cache.adopt(stored)
    return cache


def _stored(file: DiskFile) -> list[Stored]:
    try:
        return list(file.stored())
    except sqlite3.DatabaseError as error:
        _log.warning("what was kept on disk can't be read (%s): it is computed anew", error)
        file.begin_anew()
        return []


def _open_file(tiers: Tiers) -> tuple[DiskFile, list[Stored]] | None:
    if tiers.disk is None or not tiers.disk_budget:
        return None
    try:
        file = DiskFile(tiers.disk / _FILE, tiers.disk_budget)
        try:
            return file, _stored(file)
        except BaseException:
            file.close()
            raise
    except (sqlite3.Error, OSError, MemoryError) as error:
        _log.warning(
            "attention state can't be kept in %s (%s): after a restart, conversations are read anew. "
            "Free some space there, or set --disk-budget 0.",
            tiers.disk,
            error,
        )
        return None
