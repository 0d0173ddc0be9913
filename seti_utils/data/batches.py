"""Batches at the speed of the page cache: threads read file bytes straight into a ring of reused buffers.

The CPU only moves float16 bytes; layout, resize and augmentation run on the device. Nothing here is random but
:func:`epoch_order`, which depends on seed and epoch alone.
"""

import hashlib
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from seti_utils.data.cadence import FREQ, PANEL_BYTES, TIME, Panels, Rows
from seti_utils.data.sources import Source, check_rows
from seti_utils.machine import cores
from seti_utils.wording import quantity

ANNOUNCED = 32
"""Cadences announced to the operating system beyond those being read, while reading is slow."""
SLOW_S = 0.0005
"""Seconds per cadence in one thread from which reading counts as slow: the page cache takes 0.1-0.2 ms, a disk 1 ms."""
PATIENCE = 32
"""Batches for which announcing continues after a slow one; it costs a cached ON-only read a quarter of its speed."""


class Batch(NamedTuple):
    """Some cadences: ``x`` float16 (B, P, 273, 256) in a reused buffer, ``y`` float32 (B,), NaN without targets, ``rows`` int64
    (B,), and ``panels``, the numbers of the P panels (:data:`seti_utils.data.cadence.Panels`)."""

    x: torch.Tensor
    y: torch.Tensor
    rows: torch.Tensor
    panels: Panels


def batches(
    source: Source,
    targets: ArrayLike | None,
    order: Rows,
    batch: int,
    *,
    workers: int | None = None,
    ahead: int | None = None,
    pin: bool = False,
) -> Iterator[Batch]:
    """Read the rows ``order`` of ``source``, ``batch`` at a time, in that order; the last batch may be smaller.

    ``targets`` (one per row of the source) become ``y``. ``workers`` threads fill ``ahead`` batches while the caller
    works on one; both are chosen from the machine when ``None`` (:func:`sizes`). ``pin`` puts the buffers into
    page-locked memory for asynchronous copies to a GPU.

    **A batch's ``x`` is overwritten after two further batches were asked for**: copy it (:func:`on_device` does) or finish
    with it before. While reading is slow (a disk, not the page cache) files are announced to the operating system some
    batches before they are read. Order and bytes do not depend on ``workers`` and ``ahead``. A faulty file raises its
    :class:`InputError` when the batch that holds it is asked for, not before. Closing the iterator, or dropping it,
    ends the threads.
    """
    order = np.ascontiguousarray(order, dtype=np.int64)
    check_rows(order, source)
    if batch < 1:
        raise ValueError(f"batch {batch}: at least 1")
    known = np.full(len(source), np.nan, np.float32) if targets is None else np.array(targets, np.float32)
    if len(known) != len(source):
        raise ValueError(f"{quantity(len(known), 'target')} for a source of {quantity(len(source), 'cadence')}")
    y = torch.from_numpy(known)
    workers, ahead = sizes(batch, len(source.panels), workers, ahead)
    return _stream(source, y, order, batch, workers, ahead, pin)


def sizes(batch: int, panels: int, workers: int | None = None, ahead: int | None = None) -> tuple[int, int]:
    """Threads, and batches filled ahead: one thread per core, at least 2 and at most 16, and two batches.

    The ring of ``ahead`` + 2 buffers stays below an eighth of the machine's memory, with at least one batch ahead.
    Values given are taken, and must be at least 1; one thread is enough where the network runs on the same cores.
    """
    if min(workers or 1, ahead or 1) < 1 or 0 in (workers, ahead):
        raise ValueError(f"workers {workers}, ahead {ahead}: at least 1 each")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
    affordable = memory // 8 // (batch * panels * PANEL_BYTES) - 2
    return workers or min(16, max(2, cores())), ahead or max(1, min(2, affordable))


def epoch_order(n: int, *, seed: int, epoch: int, rank: int = 0, world: int = 1, repeat: Rows | None = None) -> np.ndarray:
    """The shuffled rows (int64) that ``rank`` of ``world`` sees in ``epoch``.

    ``repeat`` (n non-negative integers) shows row i ``repeat[i]`` times. All ranks share one permutation; rank r takes
    its places r, r + world, r + 2 world, …, so the ranks' k-th batches of size B are together the k-th batch of size
    B world of a single rank, whatever B is. Up to ``world`` - 1 rows at the end are left out, so that all ranks have
    equally many.
    """
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} of {world}")
    if repeat is None:
        rows = torch.arange(n)
    else:
        if len(repeat) != n or min(repeat, default=0) < 0:
            raise ValueError(f"repeat needs {quantity(n, 'number')}, none negative")
        rows = torch.arange(n).repeat_interleave(torch.as_tensor(np.asarray(repeat, dtype=np.int64)))
    # A hash keeps the streams of (seed, epoch) pairs apart, where seed + epoch would repeat them.
    key = int.from_bytes(hashlib.sha256(f"order {seed} {epoch}".encode()).digest()[:8], "little") >> 1
    shuffled = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(key))].numpy()
    return np.ascontiguousarray(shuffled[: len(shuffled) // world * world][rank::world])


def on_device(stream: Iterable[Batch], device: str | torch.device) -> Iterator[Batch]:
    """The batches of ``stream`` with ``x``, ``y`` and ``rows`` on ``device``.

    On a GPU the copies are asynchronous (from pinned buffers), and a buffer goes back to its ring only when its copy
    is done; the kernels that the caller has queued keep running meanwhile.
    """
    device = torch.device(device)
    for batch in stream:
        x, y, rows = (part.to(device, non_blocking=True) for part in batch[:3])
        moved = Batch(x, y, rows, batch.panels)
        copied = torch.cuda.Event() if device.type == "cuda" else None
        if copied:
            copied.record(torch.cuda.current_stream(device))
        yield moved
        if copied:
            copied.synchronize()


def _stream(
    source: Source, y: torch.Tensor, order: np.ndarray, batch: int, workers: int, ahead: int, pin: bool
) -> Iterator[Batch]:
    count, slots = -(-len(order) // batch), ahead + 2
    ring = torch.empty((min(slots, count), batch, len(source.panels), TIME, FREQ), dtype=torch.float16, pin_memory=pin)
    readers = ThreadPoolExecutor(workers, "cadences")
    announcer = ThreadPoolExecutor(1, "announcing")
    part, reach, announced_until = -(-batch // workers), -(-ANNOUNCED // batch), PATIENCE

    def rows_of(number: int) -> np.ndarray:
        return order[number * batch : (number + 1) * batch]

    def read(rows: np.ndarray, x: torch.Tensor) -> float:
        begun = time.perf_counter()
        source.read_into(rows, x)
        return (time.perf_counter() - begun) / len(rows)

    def start(number: int) -> tuple[np.ndarray, torch.Tensor, list[Future]]:
        rows = rows_of(number)
        x = ring[number % slots][: len(rows)]
        if number < announced_until and number + reach < count:
            announcer.submit(source.will_need, rows_of(number + reach))
        return rows, x, [readers.submit(read, rows[at : at + part], x[at : at + part]) for at in range(0, len(rows), part)]

    try:
        for number in range(min(reach, count)):
            announcer.submit(source.will_need, rows_of(number))
        filling = deque(start(number) for number in range(min(ahead, count)))
        for number in range(count):
            if number + ahead < count:
                filling.append(start(number + ahead))
            rows, x, parts = filling.popleft()
            if max([one.result() for one in parts]) > SLOW_S:
                announced_until = number + PATIENCE
            places = torch.from_numpy(rows)
            yield Batch(x, y[places], places, source.panels)
    finally:
        for pool in (readers, announcer):
            pool.shutdown(wait=True, cancel_futures=True)
