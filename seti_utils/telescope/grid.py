"""What a search tries: how rows are averaged, which widths, which drifts, and how many channels it needs around a block."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

ROWS = 91
"""A panel of more rows is averaged down to at least this many (273 to 91), drift permitting."""

SMEAR = 1.0
"""Channels that a track may cross within one averaged row, over the width that is summed."""

WIDTHS = (1, 2, 4)
"""Widths in channels that are searched at every drift; wider ones only at drifts that smear as wide."""

STEP = 0.25
"""Step of the drift in channels per panel, over the width."""

STANDING = 2.5
"""Channels per panel, over the width, below which a track stands still: there the OFF panels' lines are taken off
instead of each channel's median, which a slow needle would be part of."""

NARROWEST = 4
"""Channels are added up, in groups, until a width is so many of the sums: a wide track needs no finer places."""

MOST_ADDED = 64
"""Most channels that are added into one."""

ALIGNED = 256
"""Blocks, and what is read around them, begin at multiples of so many channels: what is measured in neighbourhoods (noise,
scatter, unrest, what OFF panels show) is then measured in the same ones, however the band is cut."""

FEWEST_SUMS = 32
"""Neighbouring sums in units of whose scatter sums are taken, at least, however many channels were added up."""

SLOWEST_WIDE = 0.25
"""A width beyond :data:`WIDTHS` is tried from this share of its own smear on."""


def astray(width: int) -> int:
    """Channels to both sides of a track of this width at which an OFF panel's light still is that of the track: half a width, and
    at least one. Echoes lie within; a whole width took in emission beside the track."""
    return max(width // 2, 1)


def halved(number: np.ndarray) -> np.ndarray:
    """Half of whole numbers, halves rounded away from zero, as :func:`tree.rounded` does."""
    return np.sign(number) * ((np.abs(number) + 1) // 2)


@dataclass(frozen=True)
class Scale:
    """One width: its drifts in channels per second, ascending and symmetric about 0.

    ``added`` channels have been added into each that ``width`` and ``drifts`` count.
    """

    width: int
    drifts: tuple[float, ...]
    added: int = 1

    def coarser(self) -> "Scale":
        """The same tracks, counted in channels that have been added up as far as the width allows."""
        added = min(max(self.width // NARROWEST, 1), MOST_ADDED)
        return Scale(self.width // added, tuple(drift / added for drift in self.drifts), added)


@dataclass(frozen=True)
class Grid:
    """The tracks of a cadence: ``average`` rows become one of ``row`` seconds; ``rows`` of them in each panel.

    ``middles`` and ``middle``: seconds from the cadence's start to the middle of each panel and of the cadence. Channels
    of tracks are those at ``middle``. ``reach``: channels on each side of a block that its tracks or levels touch.
    """

    average: int
    row: float
    rows: tuple[int, ...]
    middles: tuple[float, ...]
    middle: float
    scales: tuple[Scale, ...]
    reach: int

    @property
    def panel(self) -> float:
        """Seconds of the longest panel."""
        return max(self.rows) * self.row

    @property
    def aligned(self) -> int:
        """Channels of which blocks are multiples, for the same neighbourhoods in all of them."""
        return max(ALIGNED, FEWEST_SUMS * self.scales[-1].coarser().added)

    @property
    def tracks(self) -> int:
        """Tracks that are tried at every channel."""
        return sum(len(scale.drifts) for scale in self.scales)

    def standing(self, scale: Scale) -> np.ndarray:
        """(D,): whether a track of each of the scale's drifts stands still within a panel."""
        return np.abs(scale.drifts) * self.panel < STANDING * scale.width

    def displacement(self, panel: int, width: int, drifts: np.ndarray) -> np.ndarray:
        """(D,) int64: channels from a panel's first row to its last along ``drifts`` (channels per second), in whole widths."""
        return width * np.rint(drifts * (self.rows[panel] - 1) * self.row / width).astype(np.int64)

    def offset(self, panel: int, displacement: np.ndarray, drifts: np.ndarray) -> np.ndarray:
        """(D,) int64: channels from where a track is at ``middle`` to where it enters ``panel``."""
        return np.rint(drifts * (self.middles[panel] - self.middle)).astype(np.int64) - halved(displacement)


def make_grid(rows: Sequence[int], starts: Sequence[float], tsamp: float, width_hz: float, max_drift: float) -> Grid:
    """The grid for panels of ``rows`` rows of ``tsamp`` seconds, up to ``max_drift`` Hz/s, in channels of ``width_hz``."""
    fastest = max_drift / width_hz
    average = max(1, min(max(rows) // ROWS, int(SMEAR / (fastest * tsamp)) if fastest else max(rows)))
    average = min(average, min(rows))
    row = tsamp * average
    counts = tuple(count // average for count in rows)
    middles = tuple(start + count * row / 2 for start, count in zip(starts, counts, strict=True))
    span = max(start + count * row for start, count in zip(starts, counts, strict=True)) - min(starts)
    panel = max(counts) * row
    scales, width = [], 1
    while width in WIDTHS or width < 2 * fastest * row:
        step = STEP * width / panel
        most = min(fastest, SMEAR * width / row)
        least = 0.0 if width in WIDTHS else SLOWEST_WIDE * SMEAR * width / row
        drifts = step * np.arange(-int(most / step), int(most / step) + 1)
        scales.append(Scale(width, tuple(float(drift) for drift in drifts if abs(drift) >= least)))
        width *= 2
    middle = min(starts) + span / 2
    reach = int(fastest * span / 2) + 16 * scales[-1].width + 16
    grid = Grid(average, row, counts, middles, middle, tuple(scales), reach)
    return replace(grid, reach=reach + -reach % grid.aligned)
