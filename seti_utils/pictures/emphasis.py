"""Making a needle visible to a person: flatten the sky, then average along the track."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import median_filter

from seti_utils.data.cadence import FREQ, OFF, ON, PANELS, SHAPE, TIME
from seti_utils.errors import InputError
from seti_utils.sky.dedrift import find_drift

NARROW = 13
"""Structures wider than about half of this many channels are background; a needle is one channel wide."""

SMOOTH = 15
"""Rows averaged along the track: a needle gains sqrt(15) over the noise, and one that wiggles still holds together."""

BINNED = 7
"""Rows that are averaged before the search for the track; 273 rows are 39 such bins."""

DRIFTS = torch.arange(-40.0, 40.5, 0.5)
"""Drift rates tried, in channels per panel."""

SURE = 6.5
"""SNR from which on a track is called one: white noise and the three real cadences without one stay below 4.5."""


@dataclass(frozen=True)
class Emphasised:
    """Panels ``(6, 273, 256)`` float32 in units of the noise, and the brightest straight track of the ON panels.

    ``start`` is the track's channel at time 0, ``drift`` is in channels per panel, ``snr`` the sum along it over the
    square root of its time bins, after clipping. ``sure`` when ``snr`` is at least ``SURE``.
    """

    panels: np.ndarray
    start: float
    drift: float
    snr: float

    @property
    def sure(self) -> bool:
        return self.snr >= SURE

    def channel(self, row: float) -> float:
        """The track's channel at ``row`` of the six contiguous panels (0 to 1638)."""
        return self.start + self.drift * row / TIME


def flatten_panels(cadence: np.ndarray) -> np.ndarray:
    """Each panel in units of its local noise: float32 ``(6, 273, 256)``, wide and steady structures removed.

    Per panel: channels, then rows, to median 0 and robust deviation 1 (band slopes, ripples, spikes; bursts); then the
    running median over ``NARROW`` channels is taken off (blobs, combs), and rows and channels are normalised again. A line
    that stays in one channel through a panel goes with the steady rest, unless it is in ON panels only or in OFF panels only:
    that one is put back (``lone_lines``). For the eye, not for a network. Raises ``InputError`` for another shape.
    """
    cadence = np.asarray(cadence, dtype=np.float32)
    if cadence.shape != SHAPE:
        raise InputError(f"a cadence of shape {cadence.shape}, expected {SHAPE}", where="emphasis", remedy="read all six panels")
    panels = cadence
    for axis in (1, 2, 1):
        panels = standardise(panels, axis, 1e-3)
    panels = panels - median_filter(panels, size=(1, 1, NARROW), mode="nearest")
    # after the running median a quiet row may be nearly empty: a floor keeps it from being blown up
    for axis in (2, 1):
        panels = standardise(panels, axis, 0.3)
    return panels + lone_lines(cadence)[:, None, :]


def lone_lines(cadence: np.ndarray) -> np.ndarray:
    """Level of each channel's steady narrow line in each panel ``(6, 256)``, in deviations of its noise over time.

    What the other kind of panel shows there too, up to twice over, is taken off: the spike at the band's centre is
    in all six panels and vanishes, a needle without drift is in the ON panels only and stays.
    """
    steady = np.median(cadence, 1)
    noise = 1.4826 * np.median(np.abs(np.diff(cadence, axis=1)), 1) / np.sqrt(2)
    line = (steady - median_filter(steady, size=(1, NARROW), mode="nearest")) / np.maximum(noise, 1e-3)
    others = np.stack([np.abs(line[list(OFF if panel in ON else ON)]).max(0) for panel in range(PANELS)])
    return np.maximum(line - 2 * others, 0)


def standardise(panels: np.ndarray, axis: int, floor: float) -> np.ndarray:
    """Median 0 and robust standard deviation (1.4826 x MAD, at least ``floor``) 1 along ``axis``."""
    centred = panels - np.median(panels, axis, keepdims=True)
    return centred / np.maximum(1.4826 * np.median(np.abs(centred), axis, keepdims=True), floor)


def emphasise(cadence: np.ndarray, smooth: int = SMOOTH) -> Emphasised:
    """Flatten a cadence ``(6, 273, 256)``, find its brightest straight track, and average along that slope.

    ``smooth`` rows (odd; 1 for none) are averaged within each panel along the drift of the track (along time, where
    no track is ``sure``), everywhere alike, and scaled so that noise keeps deviation 1: what lies along the track is
    raised by sqrt(smooth), noise only gets a grain. Pixels are clipped to [-3, 5] deviations for the search, so that
    one burst does not outweigh a track.
    """
    flat = flatten_panels(cadence)
    binned = np.clip(flat, -3, 5).reshape(PANELS, TIME // BINNED, BINNED, FREQ).mean(2)
    found = find_drift(torch.from_numpy(binned)[None], DRIFTS, ON)
    start, drift, snr = (float(value[0]) for value in (found.start, found.drift, found.snr))
    return Emphasised(smooth_along(flat, drift if snr >= SURE else 0.0, smooth), start, drift, snr)


def smooth_along(panels: np.ndarray, drift: float, rows: int) -> np.ndarray:
    """Sum over ``rows`` rows along ``drift`` channels per panel, over the square root of how many there were.

    Nothing is taken from beyond a panel's edges.
    """
    reach = rows // 2
    total, count = np.zeros_like(panels), np.zeros(panels.shape[1:], np.float32)
    for step in range(-reach, reach + 1):
        shift = round(drift * step / TIME)
        here, there = window(TIME, step), window(TIME, -step)
        columns, others = window(FREQ, shift), window(FREQ, -shift)
        total[:, here, columns] += panels[:, there, others]
        count[here, columns] += 1
    return total / np.sqrt(count)


def window(length: int, shift: int) -> slice:
    """The part of an axis that still has a partner ``shift`` further on."""
    return slice(max(0, -shift), length - max(0, shift))
