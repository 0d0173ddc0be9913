"""Needles drawn into a cadence's own files, as they are read: nothing is written, and the files stay as they are.

Needles are those that the sky and the detector's lessons draw (:mod:`seti_utils.sky.needles`), along the panels' real times,
gaps included. Their SNR is that of a filter which knows every pixel of them, in a panel in which they are on in every row, in
units of the noise of the very channels that they cross.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from seti_utils.data.cadence import FREQ, PANELS
from seti_utils.errors import InputError
from seti_utils.sky.carriers import mostly_all
from seti_utils.sky.nature import natural
from seti_utils.sky.needles import FAMILIES, Tracks, pixels, random_tracks
from seti_utils.sky.plan import seeded
from seti_utils.sky.profiles import KNOWN
from seti_utils.telescope.cadences import Cadence
from seti_utils.telescope.normalising import local_noise
from seti_utils.telescope.pixels import StandIn
from seti_utils.wording import quantity

SLOT = 512
"""Channels of a slot, which holds one needle; every other slot stays as it is."""

STRETCH = 8192
"""Channels that are read at a time to measure the noise: files pack thousands together, and unpack all of them for any."""


@dataclass(frozen=True)
class Recipe:
    """Which needles are drawn: ``snrs`` per panel (of a filter that knows them), ``families``, full widths at half maximum in
    channels (log-uniform between the two), and the largest drift in Hz/s; the aspects of ``nature`` in which they vary
    (:mod:`seti_utils.sky.nature`), and which share of them ``every`` panel carries, not just one or some."""

    snrs: tuple[float, ...]
    families: tuple[str, ...]
    fwhm: tuple[float, float]
    max_drift: float
    nature: tuple[str, ...] = ("width",)
    every: float = 1.0


@dataclass(frozen=True, eq=False)
class Light:
    """The pixels of needles: ``panel``, ``row``, ``channel`` and ``value`` (N,), in the files' units, by channel."""

    panel: np.ndarray
    row: np.ndarray
    channel: np.ndarray
    value: np.ndarray


@dataclass(frozen=True, eq=False)
class Injected(StandIn):
    """A cadence with ``light`` in it, to be read like one."""

    light: Light

    def panel_by_panel(self, start: int, stop: int, average: int = 1) -> Iterator[np.ndarray]:
        """Each panel's channels with the needles in them, float32 (rows // average, stop - start)."""
        first, last = np.searchsorted(self.light.channel, [start, stop])
        some = slice(first, last)
        for number, panel in enumerate(self.cadence.panel_by_panel(start, stop, average)):
            lit = np.ascontiguousarray(panel)
            mine = (self.light.panel[some] == number) & (self.light.row[some] < len(lit) * average)
            where = self.light.row[some][mine] // average, self.light.channel[some][mine] - start
            np.add.at(lit, where, (self.light.value[some][mine] / average).astype(np.float32))
            yield lit


def inject(cadence: Cadence, panels: Sequence[int], recipe: Recipe, seed: int) -> tuple[Injected, pd.DataFrame]:
    """A needle in every second slot of the band, in ``panels``; and their table: one row per needle.

    Columns: ``family`` ``snr`` ``fwhm`` (channels) ``drift`` (Hz/s) and ``channel_1`` to ``channel_6``, where it is at each
    panel's middle; NaN where the panel does not show it. Needles that drift faster than the recipe's limit are left out, and
    those that are on in no row of their panels. Raises ``InputError`` when none is left.
    """
    slots = np.arange(0, cadence.channels - SLOT + 1, 2 * SLOT)
    generator = seeded(seed, "telescope sensitivity")
    step = (cadence.starts[-1] - cadence.starts[0]) / (PANELS - 1) / cadence.tsamp
    pitch = max(round(step), max(cadence.rows))  # rows from one panel's start to the next one's
    among = seeded(seed, "telescope sensitivity", "carriers")
    carriers = mostly_all(len(slots), generator=among, panels=panels, every=recipe.every)
    tracks = random_tracks(recipe.families, len(slots), generator=generator, carriers=carriers, time=pitch)
    tracks = natural(tracks, recipe.nature, generator=generator, fwhm=recipe.fwhm)
    path = at_real_times(tracks.freq, cadence) + torch.from_numpy(slots).float()[:, None, None] + (SLOT - FREQ) / 2
    tracks = Tracks(path, tracks.gate[..., : path.shape[2]], tracks.family, tracks.drift, tracks.profile)
    pick = (torch.rand(len(slots), generator=generator) * len(recipe.snrs)).long()
    snr = torch.tensor(recipe.snrs)[pick]
    hertz = (tracks.drift / (pitch * cadence.tsamp) * cadence.width * 1e6).numpy()
    table = pd.DataFrame({"family": [FAMILIES[number] for number in tracks.family.tolist()], "snr": snr.numpy()})
    fwhm = tracks.profile.fwhm.numpy() if tracks.profile is not None else np.nan
    table = table.assign(fwhm=fwhm, drift=hertz)
    for number, rows in enumerate(cadence.rows):
        shown = (tracks.gate[:, number, :rows] > 0).any(1) & torch.tensor(number in panels)
        table[f"channel_{number + 1}"] = torch.where(shown, tracks.freq[:, number, rows // 2], torch.nan).numpy()
    wanted = (np.abs(hertz) <= recipe.max_drift) & table.filter(like="channel_").notna().any(axis=1).to_numpy()
    if not wanted.any():
        raise InputError(
            f"no needle fits {quantity(cadence.channels, 'channel')} and {recipe.max_drift:g} Hz/s", remedy="choose a larger -M"
        )
    middle = tracks.freq[:, list(panels), path.shape[2] // 2].mean(1).long().numpy()
    kept = np.flatnonzero(wanted)
    noise = noise_around(cadence, middle[kept])
    light = [
        light_of(cadence, tracks.rows(torch.tensor([row])), panels, float(snr[row]), mine)
        for row, mine in zip(kept, noise, strict=True)
    ]
    every = Light(*(np.concatenate([getattr(one, name) for one in light]) for name in ("panel", "row", "channel", "value")))
    order = np.argsort(every.channel, kind="stable")
    every = Light(every.panel[order], every.row[order], every.channel[order], every.value[order])
    return Injected(cadence, every), table[wanted].reset_index(drop=True)


def at_real_times(freq: torch.Tensor, cadence: Cadence) -> torch.Tensor:
    """Paths (B, 6, pitch) without gaps, read off where each panel's rows really are: (B, 6, rows).

    A gap need not be a whole number of rows.
    """
    path = freq.flatten(1)
    begin = torch.tensor(cadence.starts, dtype=torch.float64) / cadence.tsamp
    at = (begin[:, None] + torch.arange(max(cadence.rows))).clamp(max=path.shape[1] - 1).flatten()
    below = at.long().clamp(max=path.shape[1] - 2)
    return path[:, below].lerp(path[:, below + 1], (at - below).float()).unflatten(1, (PANELS, -1))


def noise_around(cadence: Cadence, middle: np.ndarray) -> torch.Tensor:
    """(N, 6): the noise of every panel in the ``SLOT`` channels around each of these (N,)."""
    low = (middle - SLOT // 2).clip(0, max(cadence.channels - SLOT, 0))
    out, order = torch.empty(len(low), PANELS), np.argsort(low, kind="stable")
    while len(order):
        first = int(low[order[0]])
        some = order[low[order] <= first + max(STRETCH - SLOT, 0)]
        read = cadence.read(first, min(int(low[some[-1]]) + SLOT, cadence.channels))
        for row in some:
            begin = int(low[row]) - first
            for number, panel in enumerate(read):
                part = torch.from_numpy(np.ascontiguousarray(panel[:, begin : begin + SLOT]))
                out[row, number] = local_noise(part).median()
        order = order[len(some) :]
    return out


def light_of(cadence: Cadence, track: Tracks, panels: Sequence[int], snr: float, noise: torch.Tensor) -> Light:
    """The pixels of one needle of ``snr`` in every panel of this ``noise`` (6,)."""
    pitch = track.freq.shape[2]
    peak = torch.zeros(1, PANELS)
    for panel in panels:
        peak[0, panel] = snr / (KNOWN * cadence.rows[panel] ** 0.5)
    parts = []
    for lit in pixels(track, peak, range(PANELS)):
        row = lit.row[:, None].expand_as(lit.channel)
        panel = row // pitch
        rows = torch.tensor(cadence.rows)[panel]
        inside = (row % pitch < rows) & (lit.channel >= 0) & (lit.channel < cadence.channels) & (lit.value != 0)
        value = lit.value * noise[panel]
        parts.append([one[inside].numpy() for one in (panel, row % pitch, lit.channel, value)])
    return Light(*(np.concatenate(column) for column in zip(*parts, strict=True)))
