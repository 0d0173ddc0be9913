"""Which tracks are one event: those that come close to each other in an ON panel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seti_utils.telescope.grid import Grid
from seti_utils.telescope.measuring import SHOWING, together

CLOSE = 8
"""Channels, beside the wider track's width, within which tracks are one event."""


@dataclass(frozen=True)
class Light:
    """What tracks show: ``snr`` (N, ON panels), and ``shown`` (N,), whether an OFF panel shows them. From an SNR of ``enough``
    on, ON panels together, it is more than a piece of another track."""

    snr: np.ndarray
    shown: np.ndarray
    enough: float


def merge(
    channel: np.ndarray,
    drift: np.ndarray,
    width: np.ndarray,
    grid: Grid,
    on: Sequence[int],
    close: int = CLOSE,
    light: Light | None = None,
) -> np.ndarray:
    """A label per track, (N,) int64: the place of the first track of its event. The best tracks have to come first.

    Each track that is not taken yet takes all later ones that come within ``close`` channels and the wider one's width of
    it anywhere in an ON panel. ``channel`` is at the cadence's middle, ``drift`` in channels per second. With ``light``, a
    track that OFF panels show does not take one that they do not show, where that one is bright enough in two ON panels in which
    the two do not meet: a signal that crosses interference is not a piece of it.
    """
    count = len(channel)
    labels = np.full(count, -1, np.int64)
    if not count:
        return labels
    spans = [(grid.middles[panel] - grid.middle, grid.rows[panel] * grid.row / 2) for panel in on]
    ends = np.array([[middle - half, middle + half] for middle, half in spans])
    farthest = np.abs(ends).max()
    order = np.argsort(channel, kind="stable")
    ordered = channel[order]
    reach = 2 * np.abs(drift).max() * farthest + close + width.max()
    for leader in range(count):
        if labels[leader] >= 0:
            continue
        low, high = np.searchsorted(ordered, [channel[leader] - reach, channel[leader] + reach + 1e-9])
        near = order[low:high]
        near = near[labels[near] < 0]
        apart = (channel[near] - channel[leader])[:, None, None] + (drift[near] - drift[leader])[:, None, None] * ends
        nearest = np.where(apart[..., 0] * apart[..., 1] <= 0, 0, np.abs(apart).min(-1))
        meet = nearest <= (close + np.maximum(width[near], width[leader]))[:, None]
        taken = meet.any(1)
        if light is not None and light.shown[leader]:
            rest = np.where(meet, 0, light.snr[near])
            twice = (rest >= SHOWING).sum(1) > 1
            taken &= light.shown[near] | ~twice | (together(rest) < light.enough)
        labels[near[taken]] = leader
    return labels
