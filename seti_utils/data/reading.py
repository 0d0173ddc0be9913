"""One cadence's file into memory, at the speed of the page cache, with every fault named.

The fast path reads header and panels with one system call straight into the caller's buffer and compares the header
with the bytes NumPy writes for this shape; whatever differs is looked at by NumPy with ``allow_pickle`` off.
"""

import math
import os
import re
from functools import cache
from pathlib import Path

import numpy as np
import torch

from seti_utils.data.cadence import FILE_BYTES, HEADER_BYTES, PANEL_BYTES, PANELS, SHAPE
from seti_utils.errors import InputError
from seti_utils.wording import quantity, some_of

_MAGIC = b"\x93NUMPY\x01\x00v\x00"
EXPECTED_HEADER = (
    _MAGIC
    + f"{{'descr': '<f2', 'fortran_order': False, 'shape': {SHAPE}, }}".ljust(HEADER_BYTES - len(_MAGIC) - 1).encode()
    + b"\n"
)
"""The first 128 bytes of every competition file, as ``numpy.save`` writes them."""

_OPEN = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_ALL = tuple(range(PANELS))

AGAIN = "download the file again, or remove its row from the table"
FORMS = (
    (rb"$", "the file is empty"),
    (rb"\s*<(!doctype|html|\?xml)", "is a web page, not an array"),
    (rb"version https://git-lfs", "is a Git-LFS pointer: the array itself was never downloaded (git lfs pull)"),
    (rb"PK\x03\x04|\x1f\x8b", "is an archive, not an array"),
    (rb"\x89HDF", "is an HDF5 file, not an array"),
)
"""Beginnings of files that are named .npy and are something else."""


def read_cadence(path: str | Path, renormalise: bool = False) -> np.ndarray:
    """The cadence at ``path``: float16, (6 panels, 273 time, 256 freq).

    ``renormalise`` brings every panel to mean 0, std 1 in float32 (the old data need it); so is one that comes in other real
    numbers, for a telescope's power is more than float16 can hold. Raises :class:`InputError` naming the file and the remedy
    when it is missing, empty, truncated, too long, pickled, not a ``.npy`` file, of another shape, of no real numbers, or
    holds NaN or infinity.
    """
    x_PTF = np.empty(SHAPE, np.float16)
    read_panels(path, x_PTF.reshape(-1).view(np.uint8).data, _ALL)
    check_finite(x_PTF, path)
    if renormalise:
        renormalise_panels(torch.from_numpy(x_PTF))
    return x_PTF


def read_panels(path: str | Path, into: memoryview, panels: tuple[int, ...]) -> None:
    """Read the float16 bytes of ``panels`` into ``into`` (``len(panels)`` x 139,776 bytes), only those.

    Neighbouring panels take one system call, and the header comes along with panel 0. Values are not looked at
    (:func:`check_finite` does that). Raises as :func:`read_cadence`.
    """
    try:
        handle = os.open(path, _OPEN)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        header = bytearray(HEADER_BYTES)
        whole = os.lseek(handle, 0, os.SEEK_END) == FILE_BYTES
        at = 0
        for first, count in runs(panels):
            part = into[at : (at := at + count * PANEL_BYTES)]
            if first == 0:
                whole &= read_at(handle, [header, part], 0) == HEADER_BYTES + len(part)
            else:
                whole &= read_at(handle, [part], HEADER_BYTES + first * PANEL_BYTES) == len(part)
        if 0 not in panels:
            read_at(handle, [header], 0)
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(handle)
    if not whole or header != EXPECTED_HEADER:
        into[:] = np.ascontiguousarray(_look(path)[list(panels)]).reshape(-1).view(np.uint8).data


def read_at(handle: int, buffers: list, offset: int) -> int:
    """Fill ``buffers`` in turn from ``offset`` of an open file; returns the bytes read, fewer at its end only."""
    done, wanted = _read_once(handle, buffers, offset), sum(map(len, buffers))
    while 0 < done < wanted:  # network disks may give a part at a time
        left = [memoryview(buffer)[max(0, done - before) :] for buffer, before in zip(buffers, _starts(buffers), strict=True)]
        if not (more := _read_once(handle, [buffer for buffer in left if len(buffer)], offset + done)):
            break
        done += more
    return done


def _read_once(handle: int, buffers: list, offset: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(handle, buffers, offset)
    os.lseek(handle, offset, os.SEEK_SET)
    piece = os.read(handle, len(buffers[0]))
    buffers[0][: len(piece)] = piece
    return len(piece)


def _starts(buffers: list) -> list[int]:
    return [sum(map(len, buffers[:place])) for place in range(len(buffers))]


@cache
def runs(panels: tuple[int, ...]) -> list[tuple[int, int]]:
    """Neighbouring panels joined: (first panel, count) of each stretch, in order."""
    stretches: list[tuple[int, int]] = []
    for panel in panels:
        if stretches and panel == sum(stretches[-1]):
            stretches[-1] = (stretches[-1][0], stretches[-1][1] + 1)
        else:
            stretches.append((panel, 1))
    return stretches


def check_finite(x: np.ndarray, path: str | Path) -> None:
    """Raise :class:`InputError` naming ``path`` when the float16 array holds NaN or infinity.

    Those are the bit patterns with all exponent bits set: as signed integers from 31744 up when positive, as
    unsigned ones from 64512 up when negative; two vectorised maxima, a tenth of the time of ``numpy.isfinite``.
    """
    if x.view(np.int16).max() >= 31744 or x.view(np.uint16).max() >= 64512:
        raise not_finite(x, path)


def not_finite(x: np.ndarray, path: str | Path) -> InputError:
    """The refusal of an array that holds NaN or infinity."""
    return InputError(some_of(int((~np.isfinite(x)).sum()), x.size, "values", "are NaN or infinite"), where=path, remedy=AGAIN)


def renormalise_panels(x: torch.Tensor) -> None:
    """Bring every panel of ``x`` (…, time, freq; float16) to mean 0, std 1, in place, computed in float32.

    This removes the old data's leak (positives had larger mean and std).
    """
    x.copy_(standardised(x.float()))


def standardised(x: torch.Tensor) -> torch.Tensor:
    """``x`` (…, time, freq; float32 or float64) with mean 0, std 1 in every panel; a constant one becomes zero."""
    x = x - x.mean((-2, -1), keepdim=True)
    std = x.square().mean((-2, -1), keepdim=True).sqrt()
    return x / torch.where(std > 0, std, 1)


def read_header(path: str | Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, dtype and the offset of the first value of the array in a ``.npy`` file, whose size is checked against them.

    Raises :class:`InputError` for an empty, truncated or overlong file, one that is something else (a web page or a Git-LFS
    pointer in its place, say), a damaged header, and pickled objects, which are never loaded.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        beginning = file.read(64)
        if not beginning.startswith(np.lib.format.MAGIC_PREFIX):
            problem = next((words for form, words in FORMS if re.match(form, beginning, re.IGNORECASE)), "is not a .npy file")
            raise InputError(problem, where=path, remedy=AGAIN)
        file.seek(0)
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        except Exception as error:  # NumPy's parser lets its tokenizer's and evaluator's errors of every kind through
            raise InputError(f"the .npy header is damaged ({error})", where=path, remedy=AGAIN) from error
        offset = file.tell()
    if dtype.hasobject:
        raise InputError(
            "the file holds pickled objects, which are never loaded",
            where=path,
            remedy="save a plain array of numbers with numpy.save(..., allow_pickle=False)",
        )
    if size != (wanted := offset + math.prod(shape) * dtype.itemsize):
        kind = "truncated" if size < wanted else "too long"
        raise InputError(f"the file is {kind}: {quantity(size, 'byte')} instead of {wanted:,}", where=path, remedy=AGAIN)
    return tuple(shape), dtype, offset


def _look(path: str | Path) -> np.ndarray:
    """The array of a file that is not written as expected, if it is a cadence all the same; otherwise the refusal."""
    shape, dtype, _ = read_header(path)
    if dtype.kind not in "fiu":
        raise InputError(
            f"the array is {dtype}: a cadence is of real numbers",
            where=path,
            remedy="save its power as float16, float32, float64 or integers",
        )
    if shape != SHAPE:
        raise InputError(
            f"the array has shape {shape}, not {SHAPE}",
            where=path,
            remedy="a cadence is (6 panels, 273 time bins, 256 frequency channels)",
        )
    array = np.load(path, allow_pickle=False)
    if dtype.newbyteorder("=") == np.float16:
        return array.astype(np.float16, copy=False)
    if not np.isfinite(array).all():
        raise not_finite(array, path)
    return standardised(torch.from_numpy(array.astype(np.float64))).half().numpy()


def unreadable(path: str | Path, error: OSError) -> InputError:
    """Why the file at ``path`` cannot be read, as an error with a remedy."""
    if isinstance(error, FileNotFoundError):
        return InputError("there is no such file", where=path, remedy="complete the download, or remove its row")
    return InputError(f"cannot be read ({error.strerror})", where=path, remedy="check the file and its disk")
