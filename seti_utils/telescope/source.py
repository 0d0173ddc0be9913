"""What every reader of telescope files has in common: windows of total power in ascending frequency."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from seti_utils.errors import InputError
from seti_utils.telescope.header import Header

PIECE_BYTES = 32 << 20
"""Most bytes that are read in one go."""


class TelescopeFile(ABC):
    """One observation. Subclasses set ``header`` and ``planes`` and give ``stored``, ``piece_rows`` and ``close``.

    A file is opened when its bytes are wanted and never locked.
    """

    header: Header
    planes: tuple[int, ...]
    piece_rows: int = 1
    """Rows that are cheapest to read together."""

    @abstractmethod
    def stored(self, rows: slice, channels: slice, plane: int) -> np.ndarray:
        """Values as they are stored, (rows, channels), any real dtype, frequencies in the file's own order."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the reader holds open; it opens again when it is asked."""

    def __getstate__(self) -> dict:
        """Another process opens the file for itself."""
        return {**self.__dict__, "_handle": None, "_file": None, "_dataset": None}

    def read(self, start: int, stop: int, average: int = 1, rows: slice | None = None) -> np.ndarray:
        """Total power of the channels ``start`` to ``stop``, float32 (rows // average, stop - start).

        Channels are counted from the lowest frequency. ``average`` rows become one; a rest at the end is left out.
        The sum of :attr:`planes`. Memory: the result and ``PIECE_BYTES``, whatever the file's size.
        """
        first, last, _ = (rows or slice(0, self.header.rows)).indices(self.header.rows)
        return self._read([(start, stop)], average, slice(first, last), self._step(stop - start, average))[0]

    def read_ranges(self, ranges: Sequence[tuple[int, int]], average: int = 1) -> list[np.ndarray]:
        """:meth:`read` of several ranges of channels, in one pass: what is packed together is unpacked once for all of them."""
        count = self.header.rows // average
        found = self._read(ranges, 1, slice(0, count * average), self.piece_rows)
        return [values.reshape(count, average, -1).mean(1, dtype=np.float32) if average > 1 else values for values in found]

    def _read(self, ranges: Sequence[tuple[int, int]], average: int, rows: slice, step: int) -> list[np.ndarray]:
        """Ranges of channels, ``step`` averaged rows at a time."""
        first, count = rows.start, (rows.stop - rows.start) // average
        descending, total = self.header.foff < 0, self.header.channels
        for start, stop in ranges:
            if not 0 <= start < stop <= total:
                raise ValueError(f"channels {start} to {stop} of {total}")
        found = [np.zeros((count, stop - start), np.float32) for start, stop in ranges]
        for begin in range(0, count, step):
            end = min(begin + step, count)
            taken = slice(first + begin * average, first + end * average)
            for (start, stop), out in zip(ranges, found, strict=True):
                channels = slice(total - stop, total - start) if descending else slice(start, stop)
                for plane in self.planes:
                    values = self.stored(taken, channels, plane)
                    if average > 1:
                        shaped = values.reshape(end - begin, average, -1)
                        values = shaped.mean(1, dtype=np.float32)
                    with np.errstate(invalid="ignore", over="ignore"):  # damaged pixels are counted by whoever searches
                        np.add(out[begin:end], values, out=out[begin:end], casting="unsafe")
        return [out[:, ::-1] for out in found] if descending else found

    def _step(self, channels: int, average: int) -> int:
        """Averaged rows per piece: as many as ``PIECE_BYTES`` allow, in multiples of ``piece_rows`` where possible."""
        rows = max(PIECE_BYTES // (8 * channels), average)
        if rows >= self.piece_rows:
            rows -= rows % self.piece_rows
        return max(rows // average, 1)


def choose_planes(path: str, planes: int, wanted: Sequence[int] | None) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Which polarisation planes make up the total power, and what to tell about it.

    One plane is itself; two are summed (XX and YY); of four the first two are (XX, YY, Re XY, Im XY, as Breakthrough
    Listen's rawspec writes them); Stokes files need ``wanted = (0,)``. Other numbers have to be said.
    """
    if wanted is not None:
        if not wanted or len(set(wanted)) != len(wanted) or not all(0 <= plane < planes for plane in wanted):
            raise InputError(
                f"--planes {','.join(map(str, wanted))}: the file has {planes}",
                where=path,
                remedy=f"choose from 0 to {planes - 1}",
            )
        return tuple(wanted), ()
    if planes == 1:
        return (0,), ()
    if planes == 2:
        return (0, 1), ("2 polarisations: total power is their sum",)
    if planes == 4:
        return (0, 1), ("4 polarisations: total power is the first two (XX + YY); for Stokes parameters give --planes 0",)
    raise InputError(f"{planes} polarisation planes", where=path, remedy="say which to sum: --planes 0 or --planes 0,1")
