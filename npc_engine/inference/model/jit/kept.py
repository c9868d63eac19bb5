"""Compiled kernels that outlive the process.

numba can do that by itself, but keeps them beside their source, which an installed package may not be written to and a
fresh checkout does not have; looks at a kernel's own file only, though kernels have others' code in them; and fails
where a file is damaged or a disk is full. Here they are in the folder that NUMBA_CACHE_DIR names, under a name for all
the code they were compiled from. Each file begins with a checksum, is published whole, and is only ever a saving of
time: what can't be read is compiled, what can't be written is compiled again by the next start.
"""

import logging
import pickle
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from npc_engine.inference.model.sources import code_fingerprint
from npc_engine.inference.published import publish

_log = logging.getLogger(__name__)
_HERE = Path(__file__).parent
_CHECKSUM_BYTES = 16


class KernelCache(NullCache):  # type: ignore[misc]
    """The compiled variants of one kernel, for numba's dispatcher. ``name`` is the kernel's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The variant for arguments of types ``sig``, or None."""
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        try:
            kept = path.read_bytes()
        except OSError:
            return None
        checksum, content = kept[:_CHECKSUM_BYTES], kept[_CHECKSUM_BYTES:]
        if checksum != _checksum(path, content):
            _log.info("the compiled kernel in %s is damaged: it is compiled anew", path)
            return None
        return CompileResult._rebuild(target_context, *pickle.loads(content))  # noqa: S301

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Keep a variant."""
        path = self._path(sig, cres.codegen)
        content = dumps(cres._reduce())
        try:
            publish(path, _checksum(path, content) + content)
        except OSError as error:
            _log.info("a compiled kernel can't be kept in %s (%s): the next start compiles it again", path, error)

    def _path(self, sig: Any, codegen: Any) -> Path:
        what = repr((sig, codegen.magic_tuple())).encode()
        return kernel_folder() / f"{self._name}-{blake2b(what, digest_size=8).hexdigest()}.kernel"


def compiled(kernel: Callable[..., Any]) -> Any:
    """Have numba compile ``kernel`` when it is first called with arguments of such types, for all threads."""
    dispatcher = numba.njit(parallel=True, fastmath=True, nogil=True, error_model="numpy")(kernel)
    # What njit's own ``cache=True`` does, with another cache.
    dispatcher._cache = KernelCache(f"{kernel.__module__.rpartition('.')[2]}.{kernel.__name__}")
    return dispatcher


def kernel_folder() -> Path:
    """Where kernels of this code and this numba are kept."""
    base = Path(numba.config.CACHE_DIR) if numba.config.CACHE_DIR else _HERE / "__pycache__"
    return base / f"{_code()}-numba-{numba.__version__}"


@cache
def _code() -> str:
    return code_fingerprint(_HERE)


def _checksum(path: Path, content: bytes) -> bytes:
    # The name is in it: it says for which processor and which arguments the code is.
    return blake2b(path.name.encode() + content, digest_size=_CHECKSUM_BYTES).digest()
