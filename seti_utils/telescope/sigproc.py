"""Filterbank files as SIGPROC writes them: a header of keywords, then rows of 1 to 32 bits a value."""

import os
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from seti_utils.errors import InputError
from seti_utils.telescope.header import make_header
from seti_utils.telescope.source import TelescopeFile, choose_planes
from seti_utils.wording import quantity

BEGIN, END = "HEADER_START", "HEADER_END"
MAGIC = struct.pack("<i", len(BEGIN)) + BEGIN.encode()
MOST_HEADER = 1 << 16
"""Bytes in which a header has to end."""

KINDS: dict[str, str] = {
    **dict.fromkeys(
        ("machine_id", "telescope_id", "data_type", "barycentric", "pulsarcentric", "nbits", "nsamples", "nchans", "nifs"), "<i"
    ),
    **dict.fromkeys(("nbeams", "ibeam", "nbins"), "<i"),
    **dict.fromkeys(("az_start", "za_start", "src_raj", "src_dej", "tstart", "tsamp", "fch1", "foff", "refdm", "period"), "<d"),
    **dict.fromkeys(("rawdatafile", "source_name"), "text"),
    "signed": "<b",
    "npuls": "<q",
}
"""Keywords of the format and how their values are stored."""

BITS = (1, 2, 4, 8, 16, 32)


def read_keywords(path: str) -> tuple[dict[str, object], int, tuple[str, ...]]:
    """The header's keywords, the bytes that it takes, and notes on keywords that are not of the format.

    The length of an unknown keyword's value is found by trying: 4, 8 or 1 bytes or a text after which another keyword
    follows. Raises ``InputError`` for what cannot be followed.
    """
    with open(path, "rb") as file:
        head = file.read(MOST_HEADER)
    place, found, notes = len(MAGIC), {}, []
    while True:
        word, place = _text(path, head, place)
        if word == END:
            return found, place, tuple(notes)
        if word.startswith("FREQUENCY_") or word == "fchannel":
            raise InputError(
                "the header lists every channel's frequency", where=path, remedy="only evenly spaced channels are read"
            )
        kind = KINDS.get(word)
        if kind is None:
            size = _size_of_unknown(head, place)
            if size is None:
                raise InputError(f"unknown header keyword {word!r}", where=path, remedy="write the file with SIGPROC's keywords")
            notes.append(f"unknown header keyword {word!r} left out")
            place += size
        elif kind == "text":
            found[word], place = _text(path, head, place)
        else:
            size = struct.calcsize(kind)
            if place + size > len(head):
                raise _unfinished(path)
            found[word] = struct.unpack_from(kind, head, place)[0]
            place += size


def _text(path: str, head: bytes, place: int) -> tuple[str, int]:
    """A string with its length before it."""
    if place + 4 > len(head):
        raise _unfinished(path)
    (size,) = struct.unpack_from("<i", head, place)
    if not 0 <= size <= 4096:
        raise InputError(f"the header is damaged at byte {place}", where=path, remedy="download the file again")
    if place + 4 + size > len(head):
        raise _unfinished(path)
    return head[place + 4 : place + 4 + size].decode("latin-1"), place + 4 + size


def _unfinished(path: str) -> InputError:
    return InputError(f"the header does not end within {MOST_HEADER:,} bytes", where=path, remedy="download the file again")


def _size_of_unknown(head: bytes, place: int) -> int | None:
    """Bytes of an unknown keyword's value: the first size after which another keyword follows."""
    sizes = [4, 8, 1]
    if place + 4 <= len(head):
        (length,) = struct.unpack_from("<i", head, place)
        sizes += [4 + length] if 0 <= length <= 4096 else []
    return next((size for size in sizes if _keyword_at(head, place + size)), None)


def _keyword_at(head: bytes, place: int) -> bool:
    if place + 4 > len(head):
        return False
    (size,) = struct.unpack_from("<i", head, place)
    word = head[place + 4 : place + 4 + size] if 2 <= size <= 80 else b""
    return len(word) == size and size > 0 and word.isascii() and word.replace(b"_", b"").isalnum()


def whole(raw: Mapping[str, object], name: str, default: int) -> int:
    """A whole number of the header."""
    value = raw.get(name, default)
    return value if isinstance(value, int) else default


class SigprocFile(TelescopeFile):
    """A ``.fil`` file. Rows are counted from the file's size, whatever ``nsamples`` says; half a row at the end is left out."""

    def __init__(self, path: str, given: Mapping[str, object], planes: Sequence[int] | None = None):
        raw, self.offset, notes = read_keywords(path)
        channels, count, bits = whole(raw, "nchans", 0), whole(raw, "nifs", 1), whole(raw, "nbits", 0)
        if channels < 1:
            raise InputError(f"the header's nchans is {channels or 'missing'}", where=path, remedy="download the file again")
        if bits not in BITS:
            words = ", ".join(map(str, BITS))
            raise InputError(f"nbits is {bits or 'missing'}", where=path, remedy=f"values of {words} bits are read")
        count = max(count, 1)
        if channels * count * bits % 8:
            raise InputError(
                f"{quantity(channels, 'channel')} of {bits} bits {'is' if channels == 1 else 'are'} not whole bytes",
                where=path,
                remedy="rewrite it with 8 bits",
            )
        self.path, self.bits, self.signed = path, bits, bool(raw.get("signed", 0))
        self.row_bytes = channels * count * bits // 8
        size = os.path.getsize(path) - self.offset
        rows = size // self.row_bytes
        if rows < 1:
            problem = (
                "the file holds a header and no data"
                if size <= 0
                else f"the file holds {quantity(size, 'byte')} of data, less than a row"
            )
            raise InputError(problem, where=path, remedy="download the file again")
        if rest := size % self.row_bytes:
            notes += (f"{quantity(rest, 'byte')} after the last whole row left out",)
        if (said := whole(raw, "nsamples", 0)) not in (0, rows):
            notes += (f"nsamples says {quantity(said, 'row')}, the file's size {rows:,}: the size counts",)
        self.planes, more = choose_planes(path, count, planes)
        self.header = make_header(
            path, raw, given, rows=rows, channels=channels, planes=count, bits=bits, notes=notes + more
        )  # fmt: skip
        self._handle: int | None = None

    def stored(self, rows: slice, channels: slice, plane: int) -> np.ndarray:
        """See :class:`TelescopeFile`; 8 and 16 bits are unsigned unless the header says ``signed``."""
        first = plane * self.header.channels + channels.start
        width = channels.stop - channels.start
        lead = first * self.bits % 8 // self.bits
        begin = first * self.bits // 8
        length = -(-(lead + width) * self.bits // 8)
        raw = self._bytes(rows, begin, length)
        return unpack(raw, self.bits, self.signed)[:, lead : lead + width]

    def _bytes(self, rows: slice, begin: int, length: int) -> np.ndarray:
        """Bytes ``begin`` to ``begin + length`` of each row, uint8 (rows, length)."""
        count = rows.stop - rows.start
        at = self.offset + rows.start * self.row_bytes
        whole = length * 2 >= self.row_bytes
        out = np.empty((count, self.row_bytes if whole else length), np.uint8)
        if whole:
            self._fill(out.reshape(-1), at)
            return out[:, begin : begin + length]
        for row in range(count):
            self._fill(out[row], at + row * self.row_bytes + begin)
        return out

    def _fill(self, out: np.ndarray, at: int) -> None:
        """Read into ``out`` from byte ``at`` on."""
        try:
            if self._handle is None:
                self._handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            view, done = memoryview(out.data), 0
            while done < len(view):
                got = _read_at(self._handle, view[done:], at + done)
                if not got:
                    raise InputError("the file became shorter while it was read", where=self.path, remedy="repeat the search")
                done += got
        except OSError as error:
            raise InputError(
                f"cannot be read ({error.strerror})", where=self.path, remedy="check the file and its disk"
            ) from error

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _read_at(handle: int, view: memoryview, at: int) -> int:
    """Bytes read into ``view`` from ``at`` on."""
    if hasattr(os, "preadv"):
        return os.preadv(handle, [view], at)
    os.lseek(handle, at, os.SEEK_SET)
    piece = os.read(handle, len(view))
    view[: len(piece)] = piece
    return len(piece)


def unpack(raw: np.ndarray, bits: int, signed: bool) -> np.ndarray:
    """Bytes (rows, length) as values (rows, length * 8 / bits); below 8 bits the lowest bits are the first channel."""
    if bits >= 8:
        kind = {8: "i1" if signed else "u1", 16: "<i2" if signed else "<u2", 32: "<f4"}[bits]
        return np.ascontiguousarray(raw).view(kind)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return ((raw[:, :, None] >> shifts) & ((1 << bits) - 1)).reshape(len(raw), -1)
