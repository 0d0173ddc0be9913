"""HDF5 files in Breakthrough Listen's layout: dataset ``data`` (time, polarisation, frequency) and attributes."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress

import h5py
import numpy as np

from seti_utils.errors import InputError, first_line
from seti_utils.telescope.header import Header, make_header
from seti_utils.telescope.source import TelescopeFile, choose_planes

with suppress(ImportError):  # without it, files that need it are refused when they are read
    import hdf5plugin  # noqa: F401  registers bitshuffle and its relatives

MOST_CHUNK = 256 << 20
"""Largest chunk in bytes: HDF5 unpacks a chunk as a whole."""

AGAIN = "download the file again"


class Hdf5File(TelescopeFile):
    """An ``.h5`` file, opened without locking. Attributes may stand on ``data`` or on the file; the content's shape counts."""

    def __init__(self, path: str, given: Mapping[str, object], planes: Sequence[int] | None = None):
        self.path = path
        self._file: h5py.File | None = None
        self._dataset: h5py.Dataset | None = None
        """Held open: with it goes what HDF5 remembers of the last chunks that it unpacked."""
        try:
            self._file = h5py.File(path, "r", locking=False)
            data, raw = self._data(self._file), _attributes(self._file)
            shape, kind, chunk = data.shape, data.dtype, data.chunks
        except InputError:
            self.close()
            raise
        except Exception as error:  # h5py passes on a damaged file's errors as OSError, RuntimeError, KeyError, TypeError, …
            self.close()
            raise InputError(f"damaged HDF5 ({first_line(error)})", where=path, remedy=AGAIN) from error
        try:
            self.header, self.planes = self._checked(shape, kind, chunk, raw, given, planes)
        except InputError:
            self.close()
            raise
        self.piece_rows = chunk[0] if chunk else 1

    def _data(self, file: h5py.File) -> h5py.Dataset:
        """The dataset ``data``, or what the file holds instead."""
        data = file.get("data")
        if isinstance(data, h5py.Dataset):
            return data
        names = ", ".join(sorted(file)[:6]) or "nothing"
        raise InputError(
            f"there is no dataset 'data'; the file holds {names}",
            where=self.path,
            remedy="give a file in Breakthrough Listen's layout: data (time, 1, frequency)",
        )

    def _checked(
        self,
        shape: tuple[int, ...],
        kind: np.dtype,
        chunk: tuple[int, ...] | None,
        raw: dict[str, object],
        given: Mapping[str, object],
        planes: Sequence[int] | None,
    ) -> tuple[Header, tuple[int, ...]]:
        """The header, after its attributes were checked against the content, and the planes to sum."""
        if len(shape) not in (2, 3) or 0 in shape:
            raise InputError(f"data has shape {shape}", where=self.path, remedy="expected (time, polarisation, frequency)")
        if kind.kind not in "iuf":
            raise InputError(f"data holds {kind}", where=self.path, remedy="expected power: integers or floats")
        rows, channels, count = shape[0], shape[-1], shape[1] if len(shape) == 3 else 1
        self.flat = len(shape) == 2
        for name, there, what in (("nchans", channels, "channels"), ("nifs", count, "polarisations")):
            said = raw.get(name)
            said = said.item() if isinstance(said, (np.ndarray, np.generic)) and np.size(said) == 1 else said
            if isinstance(said, (int, float)) and said != there:
                raise InputError(f"the header's {name} is {said}, but data has {there:,} {what}", where=self.path, remedy=AGAIN)
        if chunk and (size := int(np.prod(chunk)) * kind.itemsize) > MOST_CHUNK:
            raise InputError(
                f"data is stored in chunks of {size >> 20:,} MiB, each of which is unpacked as a whole",
                where=self.path,
                remedy="rewrite it in smaller ones: h5repack -l data:CHUNK=16x1x65536 IN OUT",
            )
        chosen, notes = choose_planes(self.path, count, planes)
        size = {"rows": rows, "channels": channels, "planes": count, "bits": kind.itemsize * 8}
        return make_header(self.path, raw, given, **size, notes=notes), chosen

    def stored(self, rows: slice, channels: slice, plane: int) -> np.ndarray:
        """See :class:`TelescopeFile`."""
        if self._dataset is None:
            self._file = self._file or h5py.File(self.path, "r", locking=False)
            self._dataset = self._data(self._file)
        where = (rows, channels) if self.flat else (rows, plane, channels)
        try:
            return np.asarray(self._dataset[where])
        except Exception as error:  # a damaged chunk or a missing filter: OSError, RuntimeError, …
            if "filter" in str(error) or "plugin" in str(error):
                raise InputError(
                    "the data are packed with a filter that is not installed (bitshuffle, say)",
                    where=self.path,
                    remedy="pip install hdf5plugin",
                ) from error
            raise InputError(f"cannot be read ({first_line(error)})", where=self.path, remedy=AGAIN) from error

    def close(self) -> None:
        if self._file is not None:
            with suppress(Exception):  # closing a damaged file may fail in its own ways; nothing was written
                self._file.close()
            self._file = self._dataset = None


def _attributes(file: h5py.File) -> dict[str, object]:
    """Attributes of the file and of ``data``; those of ``data`` win. One that cannot be read counts as missing."""
    found: dict[str, object] = {}
    for holder in (file, file["data"]):
        for name in list(holder.attrs):
            with suppress(OSError, TypeError, ValueError, RuntimeError, UnicodeError):
                found[name] = holder.attrs[name]
    for name, most in (("src_raj", 24.0), ("src_dej", 90.0)):
        value = found.get(name)
        if isinstance(value, (int, float, np.number)) and abs(value) <= most:
            found[name] = sexagesimal(float(value))
    return found


def sexagesimal(value: float) -> float:
    """Decimal hours or degrees, as HDF5 files have them, in SIGPROC's hhmmss.s or ddmmss.s."""
    seconds = round(abs(value) * 3600, 4)
    hours, rest = divmod(seconds, 3600)
    return math.copysign(hours * 10000 + rest // 60 * 100 + rest % 60, value)
