"""A CPU's memory between two steps: kept, instead of given back to the kernel and asked for again."""

import ctypes
import sys

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
