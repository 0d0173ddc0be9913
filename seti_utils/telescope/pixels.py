"""Channels of a cadence as a search looks at them: usable, rows averaged, and for the network in its own time bins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from seti_utils.telescope.bandpass import Bandpass
from seti_utils.telescope.network import ShippedDetector, shrunk
from seti_utils.telescope.panels import averaged, usable


class Readable(Protocol):
    """What a block is read from: a cadence of telescope files, or anything that looks like one."""

    @property
    def channels(self) -> int: ...

    @property
    def width(self) -> float:
        """MHz of a channel."""
        ...

    @property
    def rows(self) -> tuple[int, ...]: ...

    def panel_by_panel(self, start: int, stop: int, average: int = 1) -> Iterator[np.ndarray]:
        """Each panel's channels, float32 (rows // average, stop - start), in the order of time."""
        ...

    def segments(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Runs of neighbouring channels in ``start`` to ``stop``, counted from ``start``; there are no data between them."""
        ...

    def windows(self, start: int, stop: int) -> list[int]:
        """First channels of the network's windows that begin in ``start`` to ``stop``."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, eq=False)
class StandIn:
    """What stands in for a cadence: it reads its panels in a way of its own, and is like it in all else."""

    cadence: Readable

    @property
    def channels(self) -> int:
        return self.cadence.channels

    @property
    def width(self) -> float:
        return self.cadence.width

    @property
    def rows(self) -> tuple[int, ...]:
        return self.cadence.rows

    def segments(self, start: int, stop: int) -> list[tuple[int, int]]:
        return self.cadence.segments(start, stop)

    def windows(self, start: int, stop: int) -> list[int]:
        return self.cadence.windows(start, stop)

    def close(self) -> None:
        self.cadence.close()


@dataclass(frozen=True, eq=False)
class Pixels:
    """Channels of a cadence from ``first`` on.

    ``panels``: (rows, F) each, float32, rows averaged as a search needs them. ``shown``: (bins, F) each, in a detector's time
    bins; none without one. ``bad`` (F,) int64: pixels of all panels that were not finite.
    """

    first: int
    panels: Sequence[Tensor]
    shown: Sequence[Tensor]
    bad: np.ndarray

    @property
    def size(self) -> int:
        """How many channels they are."""
        return len(self.bad)

    def cut(self, first: int, last: int) -> "Pixels":
        """The channels ``first`` to ``last`` of them."""
        some = slice(first - self.first, last - self.first)
        return Pixels(first, [one[:, some] for one in self.panels], [one[:, some] for one in self.shown], self.bad[some])


def read_pixels(
    cadence: Readable, bandpass: Bandpass, average: int, detector: ShippedDetector | None, first: int, last: int
) -> Pixels:
    """Read the channels ``first`` to ``last``, ``average`` rows in one. Only one panel is held as it was read."""
    panels, shown, bad = [], [], np.zeros(last - first, np.int64)
    for values in cadence.panel_by_panel(first, last, average if detector is None else 1):
        panel, wrong = usable(values, bandpass, first, last)
        bad += wrong
        if detector is not None:
            shown.append(shrunk(detector, panel))
            panel = averaged(panel, average)
        panels.append(panel)
    return Pixels(first, panels, shown, bad)
