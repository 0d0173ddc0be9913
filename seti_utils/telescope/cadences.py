"""Six files as one cadence: sorted in time, sources checked against the order of pointings, frequency axes aligned."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seti_utils.data.cadence import FREQ, PANELS, POINTINGS
from seti_utils.errors import InputError
from seti_utils.telescope.files import open_file
from seti_utils.telescope.header import FIELDS, Header
from seti_utils.telescope.source import TelescopeFile
from seti_utils.wording import quantity

GIVEN = "given"
"""An order that trusts the command line: no sorting, names not checked."""

HALF = FREQ // 2
"""The network's windows begin this many channels apart: every track of up to half a window lies whole in one."""

SECONDS_PER_DAY = 86400.0
SLACK_S = 1.5
"""Headers round the start to a second: panels may seem to overlap by this much."""

COMMON = 0.9
"""Share of every file's channels that all files have to have in common."""

OFF_GRID = 0.1
"""Channels by which two axes may miss each other's grid."""

SAME_SAMPLING = 1e-6
"""Relative difference of tsamp that is rounding."""


@dataclass(frozen=True, eq=False)
class Cadence:
    """Panels over the same channels, counted from the lowest frequency.

    ``lowest`` (centre of channel 0) and ``width`` in MHz, ``tsamp`` in s; ``starts`` are seconds from the first panel's
    start to each panel's; ``skip`` are channels at the low end of each file that the others do not have. ``letters`` names
    each panel's pointing.
    """

    name: str
    files: tuple[TelescopeFile, ...] = field(repr=False)
    letters: str
    starts: tuple[float, ...]
    skip: tuple[int, ...]
    channels: int
    lowest: float
    width: float
    tsamp: float
    notes: tuple[str, ...] = ()

    @property
    def headers(self) -> tuple[Header, ...]:
        return tuple(file.header for file in self.files)

    @property
    def rows(self) -> tuple[int, ...]:
        return tuple(header.rows for header in self.headers)

    @property
    def on(self) -> tuple[int, ...]:
        """Numbers of the panels on the target."""
        return tuple(place for place, letter in enumerate(self.letters) if letter == "A")

    @property
    def off(self) -> tuple[int, ...]:
        """Numbers of the other panels."""
        return tuple(place for place, letter in enumerate(self.letters) if letter != "A")

    @property
    def middles(self) -> tuple[float, ...]:
        """Seconds from the first panel's start to the middle of each."""
        return tuple(start + rows * self.tsamp / 2 for start, rows in zip(self.starts, self.rows, strict=True))

    @property
    def span(self) -> float:
        """Seconds from the first panel's start to the last one's end."""
        return self.starts[-1] + self.rows[-1] * self.tsamp

    @property
    def hours(self) -> float:
        """Hours observed, all panels together."""
        return sum(self.rows) * self.tsamp / 3600

    def frequency(self, channel: Any) -> Any:
        """MHz of the centres of channels, numbers or arrays of any kind."""
        return self.lowest + channel * self.width

    def read(self, start: int, stop: int, average: int = 1) -> list[np.ndarray]:
        """Each panel's channels ``start`` to ``stop``, float32 (rows // average, stop - start)."""
        return list(self.panel_by_panel(start, stop, average))

    def panel_by_panel(self, start: int, stop: int, average: int = 1) -> Iterator[np.ndarray]:
        """:meth:`read`, one panel at a time."""
        for file, skip in zip(self.files, self.skip, strict=True):
            yield file.read(skip + start, skip + stop, average)

    def read_ranges(self, ranges: Sequence[tuple[int, int]], average: int = 1) -> list[list[np.ndarray]]:
        """:meth:`read` of several ranges of channels, in one pass through every file: panels of each range."""
        pairs = zip(self.files, self.skip, strict=True)
        panels = [file.read_ranges([(skip + start, skip + stop) for start, stop in ranges], average) for file, skip in pairs]
        return [list(one) for one in zip(*panels, strict=True)]

    def marks(self) -> list[str]:
        """What tells these files from others: a line each, for a search's description of itself."""
        return [
            f"{Path(header.path).name} {Path(header.path).stat().st_size} {header.tstart} {header.source}"
            for header in self.headers
        ]

    def name_at(self, channel: float) -> str:
        """The cadence that holds a channel: this one."""
        return self.name

    def segments(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Runs of neighbouring channels: all of them are one."""
        return [(0, stop - start)]

    def windows(self, start: int, stop: int) -> list[int]:
        """First channels of the network's windows that begin in ``start`` to ``stop``; the last one ends where the band ends."""
        last = self.channels - FREQ
        starts = list(range(-(-start // HALF) * HALF, min(stop, last + 1), HALF))
        return starts + [last] if last % HALF and start <= last < stop else starts

    def close(self) -> None:
        """Give back what the readers hold open; they open again when they are asked."""
        for file in self.files:
            file.close()

    def describe(self) -> list[str]:
        """One line per panel, in order of time, then the notes."""
        lines = []
        for number, (letter, header) in enumerate(zip(self.letters, self.headers, strict=True), 1):
            kind = "ON " if letter == "A" else "OFF"
            when = "unknown" if math.isnan(header.tstart) else f"{header.tstart:.6f}"
            lines.append(
                f"  {number} {letter} {kind} {header.source or 'unknown':<16} MJD {when}  "
                f"{header.rows:,} rows x {header.channels:,} channels  {Path(header.path).name}"
            )
        return lines + [f"  note: {note}" for note in self.notes]


def open_cadence(
    paths: Sequence[str | Path],
    given: Sequence[Mapping[str, object]] | None = None,
    *,
    planes: Sequence[int] | None = None,
    order: str | None = None,
) -> Cadence:
    """Open six files as a cadence, or one file alone.

    Six are sorted by ``tstart`` and their sources checked against A B A C A D: the target's name three times, no neighbour of
    that name. ``order``: other letters, names unchecked; or :data:`GIVEN`, which keeps the paths' own order. Raises
    ``InputError`` naming what contradicts what, with the remedy.
    """
    if len(paths) not in (1, PANELS):
        raise InputError(f"{len(paths)} files", remedy="a cadence is six files; one file alone is searched without ON and OFF")
    given = given or [{}] * len(paths)
    files = [open_file(path, one, planes) for path, one in zip(paths, given, strict=True)]
    if len(files) == 1:
        letters, starts = "A", (0.0,)
    else:
        files, starts = in_time(files, order == GIVEN)
        letters = checked_order(files, order)
    check_sampling([file.header for file in files])
    skip, channels, notes = aligned([file.header for file in files])
    first = files[letters.index("A")].header
    lowest = files[0].header.lowest + skip[0] * files[0].header.width
    name = (
        "_".join(filter(None, (first.source, "" if math.isnan(first.tstart) else f"{first.tstart:.6f}"))) or Path(first.path).stem
    )
    told = [f"{Path(file.header.path).name}: {note}" for file in files for note in file.header.notes]
    return Cadence(
        "".join(letter if letter.isalnum() or letter in "._+-" else "_" for letter in name),
        tuple(files),
        letters,
        starts,
        skip,
        channels,
        lowest,
        files[0].header.width,
        files[0].header.tsamp,
        (*dict.fromkeys(told), *notes),
    )


def in_time(files: Sequence[TelescopeFile], as_given: bool) -> tuple[list[TelescopeFile], tuple[float, ...]]:
    """The files in order of time, and seconds from the first one's start to each one's.

    ``as_given``: in the order of the list; where a start is unknown, each panel follows the one before at once.
    """
    files = list(files)
    unknown = [file for file in files if not 1 < file.header.tstart < 1e6]
    if unknown and not as_given:
        raise InputError(
            "the header has no usable tstart, so the order of the files is unknown",
            where=unknown[0].header.path,
            remedy=f"give --order {GIVEN} if the files are in order of time, or each file's --header tstart={FIELDS['tstart']},…",
        )
    if unknown:
        ends = np.cumsum([0.0] + [file.header.seconds for file in files])
        return files, tuple(float(end) for end in ends[:-1])
    if not as_given:
        files.sort(key=lambda file: file.header.tstart)
    starts = tuple((file.header.tstart - files[0].header.tstart) * SECONDS_PER_DAY for file in files)
    for before, after, begin, then in zip(files[:-1], files[1:], starts[:-1], starts[1:], strict=True):
        if begin + before.header.seconds - then > SLACK_S + 2 * before.header.tsamp:
            late = begin + before.header.seconds - then
            raise InputError(
                f"starts {late:.0f} s before {Path(before.header.path).name} ends",
                where=after.header.path,
                remedy="give the six files of one cadence, each once; or correct their start times with --header tstart=…",
            )
    return files, starts


def checked_order(files: Sequence[TelescopeFile], order: str | None) -> str:
    """The letters of the panels. Raises ``InputError`` where the sources contradict A B A C A D and no order was given."""
    if order not in (None, GIVEN):
        letters = order.upper()
        if len(letters) != len(files) or letters.count("A") != 3 or not letters.isalpha():
            raise InputError(f"--order {order}", remedy=f"six letters, three of them A (the target), e.g. ABACAD; or {GIVEN}")
        return letters
    names = [file.header.source.casefold() for file in files]
    if order == GIVEN:
        return POINTINGS
    if nameless := [file for file, name in zip(files, names, strict=True) if not name]:
        raise InputError(
            "the header has no source_name, so the order of pointings cannot be checked",
            where=nameless[0].header.path,
            remedy="give --order ABACAD if that is the order, or --header source_name=NAME,… for each file",
        )
    on = {names[place] for place in (0, 2, 4)}
    if len(on) == 1 and not on & {names[place] for place in (1, 3, 5)}:
        return POINTINGS
    shown = ", ".join(file.header.source for file in files)
    thrice = [name for name in dict.fromkeys(names) if names.count(name) == 3]
    remedy = "give the six files of one cadence, or say the order: --order ABACAD"
    if thrice:
        others, seen = iter("BCDEF"), {thrice[0]: "A"}
        letters = [seen[name] if name in seen else seen.setdefault(name, next(others)) for name in names]
        remedy = f"say so: --order {''.join(letters)}"
    raise InputError(f"in order of time the sources are {shown}: not A B A C A D", remedy=remedy)


def check_sampling(headers: Sequence[Header]) -> None:
    """Refuse files of different row lengths or channel widths."""
    first = headers[0]
    for header in headers[1:]:
        if abs(header.tsamp / first.tsamp - 1) > SAME_SAMPLING:
            raise InputError(
                f"tsamp is {header.tsamp:g} s, that of {Path(first.path).name} {first.tsamp:g} s",
                where=header.path,
                remedy="give six files of one product",
            )
        drifting = abs(header.width / first.width - 1) * max(header.channels, first.channels)
        if drifting > OFF_GRID:
            raise InputError(
                f"foff is {header.foff:.9g} MHz, that of {Path(first.path).name} {first.foff:.9g} MHz: "
                f"{drifting:.3g} channels apart across the band",
                where=header.path,
                remedy="give six files of one product",
            )


def aligned(headers: Sequence[Header]) -> tuple[tuple[int, ...], int, list[str]]:
    """Channels to skip at each file's low end, the number of common channels, and notes on files that were shifted."""
    first = headers[0]
    shifts = [(header.lowest - first.lowest) / first.width for header in headers]
    whole = [round(shift) for shift in shifts]
    low, high = max(whole), min(shift + header.channels for shift, header in zip(whole, headers, strict=True))
    for header in headers:
        if high - low < COMMON * header.channels:
            begin, end = header.lowest, header.lowest + header.width * header.channels
            raise InputError(
                f"only {max(high - low, 0):,} of its {header.channels:,} channels ({begin:.3f}-{end:.3f} MHz) are in all files",
                where=header.path,
                remedy="give six files of the same band",
            )
    for header, shift in zip(headers, shifts, strict=True):
        if abs(shift - round(shift)) > OFF_GRID:
            raise InputError(
                f"the frequency axis lies {shift:.2f} channels above that of {Path(first.path).name}",
                where=header.path,
                remedy="axes have to agree to whole channels: give six files of one product",
            )
    notes = [
        f"{Path(header.path).name}: {quantity(abs(shift), 'channel')} {'above' if shift > 0 else 'below'} the first file, aligned"
        for header, shift in zip(headers, whole, strict=True)
        if shift
    ]
    if len({header.channels for header in headers}) > 1 and not notes:
        notes = [f"{high - low:,} channels are in all files"]
    return tuple(low - shift for shift in whole), high - low, notes
