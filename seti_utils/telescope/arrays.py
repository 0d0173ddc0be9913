"""Cadences of a competition's folder, or ``.npy`` files, laid side by side: another thing that a search can read.

Between two cadences lie as many empty channels as a track can cross, so that nothing of one is seen in another.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from seti_utils.data.cadence import DF_HZ, DT_S, FREQ, PANELS, POINTINGS, RESOLUTION, TIME
from seti_utils.data.sources import Source
from seti_utils.telescope.cadences import Cadence
from seti_utils.wording import quantity

STRIDE = 2 * FREQ
"""Channels from one cadence's first to the next one's."""


@dataclass(frozen=True, eq=False)
class ArrayCadences(Cadence):
    """``source``'s cadences as one band: cadence n begins at channel ``n * STRIDE``.

    Their arrays do not say where in the spectrum they were: :meth:`frequency` counts MHz from each array's first channel.
    """

    source: Source | None = field(default=None, repr=False)
    folder: str = ""

    @property
    def rows(self) -> tuple[int, ...]:
        return (TIME,) * PANELS

    def frequency(self, channel):
        """MHz above the first channel of the array that holds ``channel``; numbers or arrays of any kind."""
        return (channel - np.floor(np.asarray(channel) / STRIDE) * STRIDE) * self.width

    def name_at(self, channel: float) -> str:
        """The id of the cadence that holds a channel."""
        assert self.source is not None
        return str(self.source.ids[min(max(int(channel) // STRIDE, 0), len(self.source) - 1)])

    def read(self, start: int, stop: int, average: int = 1) -> list[np.ndarray]:
        """Each panel's channels, float32 (rows // average, stop - start); 0 between cadences."""
        assert self.source is not None
        rows = TIME // average
        out = np.zeros((PANELS, rows, stop - start), np.float32)
        x_BPTF = torch.empty(1, PANELS, TIME, FREQ, dtype=torch.float16)
        for begin, end in self.segments(start, stop):
            number = (start + begin) // STRIDE
            self.source.read_into([number], x_BPTF)
            panels = x_BPTF[0, :, : rows * average].float().unflatten(1, (rows, average)).mean(2).numpy()
            skip = start + begin - number * STRIDE
            out[..., begin:end] = panels[..., skip : skip + end - begin]
        return list(out)

    def panel_by_panel(self, start: int, stop: int, average: int = 1) -> Iterator[np.ndarray]:
        """:meth:`read`, one panel at a time."""
        yield from self.read(start, stop, average)

    def read_ranges(self, ranges: Sequence[tuple[int, int]], average: int = 1) -> list[list[np.ndarray]]:
        """:meth:`read` of several ranges of channels."""
        return [self.read(start, stop, average) for start, stop in ranges]

    def segments(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The cadences' own channels, counted from ``start``."""
        out = []
        for number in range(start // STRIDE, -(-stop // STRIDE)):
            first, last = max(number * STRIDE, start), min(number * STRIDE + FREQ, stop)
            if first < last:
                out.append((first - start, last - start))
        return out

    def windows(self, start: int, stop: int) -> list[int]:
        """One window per cadence."""
        return list(range(-(-start // STRIDE) * STRIDE, min(stop, self.channels), STRIDE))

    def marks(self) -> list[str]:
        """The folder, and its ids."""
        assert self.source is not None
        ids = hashlib.sha256("\n".join(map(str, self.source.ids)).encode()).hexdigest()[:16]
        return [f"{self.folder} {len(self.source)} {ids}"]

    def close(self) -> None:
        """Nothing is held open."""

    def describe(self) -> list[str]:
        """What is read."""
        return [
            f"  {quantity(len(self.source or ()), 'cadence')} of {TIME} x {FREQ}: {self.folder}",
            *(f"  note: {note}" for note in self.notes),
        ]


def array_cadences(source: Source, folder: Path) -> ArrayCadences:
    """The cadences of ``source`` (``folder`` is what they are called) as one band of :data:`STRIDE` channels each."""
    starts = tuple(number * TIME * DT_S for number in range(PANELS))
    channels = (len(source) - 1) * STRIDE + FREQ
    note = f"assumed: {RESOLUTION}, and no gaps; frequencies count from each array's first channel"
    return ArrayCadences(
        folder.name,
        (),
        POINTINGS,
        starts,
        (0,) * PANELS,
        channels,
        0.0,
        DF_HZ / 1e6,
        DT_S,
        (note,),
        source=source,
        folder=str(folder),
    )
