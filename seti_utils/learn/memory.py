"""Memory that is kept instead of given back to the kernel and asked for again, and objects that are kept to the end."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of ``mallopt`` (glibc's malloc.h)."""

KEPT_BYTES = 1 << 30
"""Bytes: blocks below this come from the heap, and the heap keeps that much of what is freed."""


def keep_memory() -> bool:
    """Make glibc keep freed memory of this process; whether it does so now.

    A training step frees its activations and asks for them again, thousands of pages per step, each of which the kernel
    has to clear. Kept, they cost nothing: 10 to 20 % of a step of a small network on a CPU (benchmarks/training.py). The
    process then stays as large as it was at its largest. False where there is no ``mallopt`` (macOS, Windows, musl), or
    it refuses.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))


@contextmanager
def importing() -> Iterator[None]:
    """Collect no garbage inside, and never look again at what was made.

    Hundreds of thousands of objects that PyTorch's import leaves all stay. To go through them again and again is a sixth of
    the time that it takes, and a process that is forked would copy every page of them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def end_at_once(code: int) -> NoReturn:
    """End this process with ``code`` and leave to the kernel what it holds; nothing may be open or running any more.

    The interpreter would look for garbage once more and then take everything apart, half a second after PyTorch and
    matplotlib were imported.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
