"""Where cadences come from: single files, a packed store, or several of them joined.

A source has ``ids`` (array of str), ``panels`` (the panel numbers it gives), a length, and two methods:
``read_into(rows, out)`` fills ``out`` (float16, (len(rows), len(panels), 273, 256), contiguous, on the CPU), and
``will_need(rows)`` tells the operating system that these rows are read soon. Both may be called from any thread.
"""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from seti_utils.data.cadence import FREQ, HEADER_BYTES, PANEL_BYTES, PANELS, TIME, Rows, panel_numbers
from seti_utils.data.reading import check_finite, read_panels, renormalise_panels, runs
from seti_utils.errors import InputError
from seti_utils.wording import quantity


class Source(Protocol):
    """What :func:`seti_utils.data.batches.batches` reads from."""

    ids: np.ndarray
    panels: tuple[int, ...]

    def __len__(self) -> int: ...

    def read_into(self, rows: Rows, out: torch.Tensor) -> None: ...

    def will_need(self, rows: Rows) -> None: ...


class FileCadences:
    """Cadences in single ``.npy`` files; only the bytes of ``panels`` are read.

    Form and size are checked each time a file is read, see :func:`seti_utils.data.reading.read_cadence`; the values of
    ``panels`` are searched for NaN and infinity the first time only (a third of the time to read a cached file).
    """

    def __init__(
        self, ids: Collection[str], paths: Sequence[str | Path], renormalise: bool = False, panels: str | Sequence[int] = "all"
    ):
        self.ids = np.asarray(ids, dtype=object)
        self.paths = [os.fspath(path) for path in paths]
        self.panels = panel_numbers(panels)
        self.renormalise = renormalise
        self._finite = np.zeros(len(self.paths), dtype=bool)
        if len(self.ids) != len(self.paths):
            raise ValueError(f"{quantity(len(self.ids), 'id')}, but {quantity(len(self.paths), 'path')}")

    def __len__(self) -> int:
        return len(self.paths)

    def read_into(self, rows: Rows, out: torch.Tensor) -> None:
        """Fill ``out`` with the cadences of ``rows``. Raises :class:`InputError` naming the first faulty file."""
        x_BPTF, memory, size = buffer_of(out, rows, self.panels)
        for place, row in enumerate(rows):
            read_panels(self.paths[row], memory[place * size : (place + 1) * size], self.panels)
            if not self._finite[row]:
                check_finite(x_BPTF[place], self.paths[row])
                self._finite[row] = True
        if self.renormalise:
            renormalise_panels(out)

    def will_need(self, rows: Rows) -> None:
        """Start reading the files of ``rows`` into the page cache; a fault shows when they are read."""
        if not hasattr(os, "posix_fadvise"):
            return
        for row in rows:
            try:
                handle = os.open(self.paths[row], os.O_RDONLY)
            except OSError:
                continue
            try:
                for first, count in runs(self.panels):
                    start, length = HEADER_BYTES + first * PANEL_BYTES, count * PANEL_BYTES
                    os.posix_fadvise(handle, start, length, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(handle)


class JoinedCadences:
    """Several sources, one after the other: the training rows, then pseudo-labelled test rows, say."""

    def __init__(self, sources: Sequence[Source]):
        self.sources = list(sources)
        if not self.sources or len({source.panels for source in self.sources}) != 1:
            raise ValueError("join at least one source, all with the same panels")
        self.panels = self.sources[0].panels
        self.ids = np.concatenate([source.ids for source in self.sources])
        self.ends = np.cumsum([len(source) for source in self.sources])

    def __len__(self) -> int:
        return len(self.ids)

    def read_into(self, rows: Rows, out: torch.Tensor) -> None:
        """Fill ``out`` with ``rows``, numbered through all sources."""
        for source, places, inside in self._shares(rows):
            if len(places) == places[-1] - places[0] + 1:
                source.read_into(inside, out[places[0] : places[-1] + 1])
            else:
                for place, row in zip(places, inside, strict=True):
                    source.read_into([row], out[place : place + 1])

    def will_need(self, rows: Rows) -> None:
        """Announce ``rows`` to the sources that hold them."""
        for source, _, inside in self._shares(rows):
            source.will_need(inside)

    def _shares(self, rows: Rows) -> list[tuple[Source, np.ndarray, np.ndarray]]:
        """For each source with a part in ``rows``: itself, places in ``rows``, and its own row numbers."""
        rows = np.asarray(rows, dtype=np.int64)
        owner = np.searchsorted(self.ends, rows, side="right")
        starts = self.ends - [len(source) for source in self.sources]
        return [
            (self.sources[one], places := np.flatnonzero(owner == one), rows[places] - starts[one]) for one in np.unique(owner)
        ]


class CleanedPanels:
    """A source of cleaned panels under the numbers that tell them from raw ones: 6 to 11 instead of 0 to 5."""

    def __init__(self, source: Source):
        self.source, self.ids = source, source.ids
        self.panels = tuple(PANELS + panel for panel in source.panels)

    def __len__(self) -> int:
        return len(self.ids)

    def read_into(self, rows: Rows, out: torch.Tensor) -> None:
        """Fill ``out`` with the cadences of ``rows``."""
        self.source.read_into(rows, out)

    def will_need(self, rows: Rows) -> None:
        """Announce ``rows``."""
        self.source.will_need(rows)


class BesideCadences:
    """The same cadences from two sources, the panels of the second behind those of the first: raw, then cleaned."""

    def __init__(self, first: Source, second: Source):
        if not np.array_equal(first.ids, second.ids):
            raise ValueError("both sources need the same cadences in the same order")
        self.first, self.second, self.ids = first, second, first.ids
        self.panels = first.panels + second.panels

    def __len__(self) -> int:
        return len(self.ids)

    def read_into(self, rows: Rows, out: torch.Tensor) -> None:
        """Fill ``out`` with the cadences of ``rows``, both sources' panels."""
        here = len(self.first.panels)
        for place, row in enumerate(rows):  # one cadence's panels of a source are contiguous, a batch's are not
            self.first.read_into([row], out[place : place + 1, :here])
            self.second.read_into([row], out[place : place + 1, here:])

    def will_need(self, rows: Rows) -> None:
        """Announce ``rows`` to both sources."""
        self.first.will_need(rows)
        self.second.will_need(rows)


def buffer_of(out: torch.Tensor, rows: Rows, panels: tuple[int, ...]) -> tuple[np.ndarray, memoryview, int]:
    """``out`` as an array, as writable bytes, and the bytes of one cadence. Refuses a buffer of another form."""
    wanted = (len(rows), len(panels), TIME, FREQ)
    if tuple(out.shape) != wanted or out.dtype != torch.float16 or not out.is_contiguous() or out.device.type != "cpu":
        raise ValueError(
            f"the buffer is {out.dtype} {tuple(out.shape)} on {out.device}, not contiguous float16 {wanted} on the CPU"
        )
    x_BPTF = out.numpy()
    return x_BPTF, x_BPTF.reshape(-1).view(np.uint8).data, len(panels) * PANEL_BYTES


def check_rows(order: np.ndarray, source: Source) -> None:
    """Refuse row numbers that the source does not have."""
    if len(order) and (order.min() < 0 or order.max() >= len(source)):
        raise InputError(
            f"row {int(order.max())} was requested",
            where=f"a source of {quantity(len(source), 'cadence')}",
            remedy="make an order for as many rows as the source has",
        )
