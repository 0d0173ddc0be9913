"""Coarse channels: how many, where their spikes are and where their edges begin; from the header, and seen in the data.

A polyphase filter bank makes coarse channels; each has a spike at its centre (its own DC) and falls off at its edges.
Breakthrough Listen's at Green Bank are 187.5 / 64 MHz wide, whatever the product, so the header's ``foff`` says how many
fine channels make one. Nothing is taken off that is not seen in the data.
"""

from dataclasses import dataclass

import numpy as np

from seti_utils.errors import InputError
from seti_utils.telescope.cadences import Cadence
from seti_utils.wording import quantity

COARSE_MHZ = 187.5 / 64
CLOSE = 1e-4
"""How closely a whole number of fine channels has to make a coarse one."""

ROWS = 4
"""Rows that are looked at in each of two panels."""

SIGMA = 10.0
"""A spike stands out by this many sigma over the channels beside it, in both panels."""

SHARE = 0.6
"""The spike has to be seen at the same place of this many coarse channels."""

HALF = 0.5
"""An edge is where the mean coarse channel's power is below this share of its middle's."""


@dataclass(frozen=True)
class Bandpass:
    """``coarse`` fine channels make a coarse one (0: unknown), counted from the band's first channel.

    ``spikes``: channels within a coarse one that are replaced by their neighbours' mean. ``edge``: channels at each end
    of a coarse one that are marked. ``live``: channels in which anything varies.
    """

    coarse: int
    spikes: tuple[int, ...]
    edge: int
    live: int
    notes: tuple[str, ...]

    def spikes_between(self, start: int, stop: int) -> np.ndarray:
        """Spike channels from ``start`` to ``stop``, counted from ``start``."""
        if not self.spikes:
            return np.zeros(0, np.int64)
        channels = np.arange(start, stop)
        return np.flatnonzero(np.isin(channels % self.coarse, self.spikes))

    def at_edge(self, channel: np.ndarray) -> np.ndarray:
        """Whether channels (fractional ones too) lie in the edges of a coarse channel."""
        if not self.edge:
            return np.zeros(np.shape(channel), bool)
        inside = np.asarray(channel) % self.coarse
        return (inside < self.edge) | (inside >= self.coarse - self.edge)


def coarse_of(cadence: Cadence, said: int | None) -> tuple[int, str]:
    """Fine channels in a coarse one, and how that is known. ``said``: the user's number; 0 says there are none."""
    if said is not None:
        if not 0 <= said <= cadence.channels or 0 < said < 8:
            raise InputError(
                f"--coarse {said}", remedy=f"give the fine channels of a coarse one, 8 to {cadence.channels}; 0 for none"
            )
        return said, "as given"
    count = round(COARSE_MHZ / cadence.width)
    if count >= 8 and abs(count * cadence.width / COARSE_MHZ - 1) < CLOSE and count <= cadence.channels:
        return count, "from the header's foff"
    return 0, ""


def survey(cadence: Cadence, said: int | None = None, piece: int = 1 << 20) -> Bandpass:
    """Look at a few rows of the whole band, ``piece`` channels at a time.

    Raises ``InputError`` when nothing varies anywhere in the band.
    """
    coarse, known = coarse_of(cadence, said)
    if coarse:
        piece = max(piece // coarse, 1) * coarse
    counted, power, whole = np.zeros(max(coarse, 1), np.int64), np.zeros(max(coarse, 1)), 0
    live = 0
    for start in range(0, cadence.channels, piece):
        stop = min(start + piece, cadence.channels)
        level, scatter, contrast = look(cadence, start, stop)
        live += int((scatter > 0).sum())
        if coarse and (full := (stop - start) // coarse):
            count = full * coarse
            counted += (contrast[:count].reshape(full, coarse) > SIGMA).sum(0)
            shape = level[:count].reshape(full, coarse)
            middle = np.median(shape[:, coarse // 4 : -coarse // 4], axis=1, keepdims=True)
            power += np.divide(shape, middle, out=np.zeros_like(shape), where=middle > 0).sum(0)
            whole += full
    if not live:
        raise InputError(
            "every channel is constant: there is nothing to search", where=cadence.headers[0].path, remedy="check the files"
        )
    if not coarse:
        return Bandpass(0, (), 0, live, ("coarse channels unknown: neither spikes nor edges are looked for (give --coarse)",))
    spikes = spikes_seen(counted, whole, coarse)
    edge = edge_seen(power / whole) if cadence.channels % coarse == 0 else 0
    seen = ", ".join(f"{channel} (in {counted[channel]} of {whole})" for channel in spikes) or "none seen"
    notes = (
        f"{whole} coarse channels of {coarse:,} ({known}); spike at channel: {seen}; "
        + (f"edges: {quantity(edge, 'channel')} at each end below half power" if edge else "no edges seen"),
    )
    return Bandpass(coarse, spikes, edge, live, notes)


def look(cadence: Cadence, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of channels ``start`` to ``stop``: mean level, scatter in time, and how far each stands out over the highest of its
    neighbours (two and three channels away), in sigma, in the less clear of two panels."""
    levels, scatters, contrasts = [], [], []
    for number in (0, 1) if len(cadence.files) > 1 else (0,):
        rows = slice(0, min(ROWS, cadence.rows[number]))
        file, skip = cadence.files[number], cadence.skip[number]
        values = np.nan_to_num(file.read(skip + start, skip + stop, rows=rows).astype(np.float64))
        level = values.mean(0)
        noise = np.median(np.abs(np.diff(values, axis=1))) * 1.4826 / 2**0.5 / len(values) ** 0.5 if values.shape[1] > 1 else 0
        padded = np.pad(level, 3, mode="edge")
        size = len(level)
        beside = np.max([padded[3 + step : 3 + step + size] for step in (-3, -2, 2, 3)], axis=0)
        levels.append(level)
        scatters.append(np.ptp(values, axis=0) if len(values) > 1 else np.abs(level))
        contrasts.append((level - beside) / noise if noise > 0 else np.zeros(size))
    return np.mean(levels, axis=0), np.max(scatters, axis=0), np.min(contrasts, axis=0)


def spikes_seen(counted: np.ndarray, whole: int, coarse: int) -> tuple[int, ...]:
    """Channels with a spike in most coarse channels; with fewer than three of them only those at the centre."""
    often = np.flatnonzero(counted >= max(SHARE * whole, 1))
    if whole < 3:
        often = often[np.abs(often - coarse / 2) <= 1]
    return tuple(int(channel) for channel in often)


def edge_seen(power: np.ndarray) -> int:
    """Channels at each end of the mean coarse channel below half its middle's power: as many as at the worse end."""
    low = power < HALF
    if low.all():
        return 0
    return int(max(np.argmin(low), np.argmin(low[::-1])))
