"""How often no signal at all scores as high: false alarms per MHz and hour, counted on the same files.

The cadence is searched once more with ON and OFF exchanged: what shows in OFF panels only is not from the target, and has the
same band, the same interference and the same noise. Every panel stays at its own time, so that interference that drifts through
all six is on one line here as there (panels that change places would make a candidate of it).

Interference that OFF panels hardly show is not among those: exchanged, it is bright in one panel and missing in three. It is
counted on the cadence as it is. Tracks that OFF panels show a little are not events, and about as many again will be
fainter there than can be seen: an interval of brightness as wide in proportion holds as many, where brightness has no scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seti_utils.data.cadence import FREQ
from seti_utils.telescope.blocks import Found
from seti_utils.telescope.classical import Arrangement
from seti_utils.telescope.grid import Grid
from seti_utils.telescope.measuring import together
from seti_utils.telescope.merging import Light, merge
from seti_utils.telescope.odds import log_odds
from seti_utils.telescope.tracks import NETWORK

FARTHEST = 100.0
"""By how much a rate is extrapolated below one false event in all that was looked at."""

OWN = 12.0
"""Channels, on average over the middles of the ON panels, by which the network's track may miss an event of which its logit
speaks."""


def arrangements(on: Sequence[int], off: Sequence[int]) -> tuple[Arrangement, ...]:
    """The cadence as it is, and with ON and OFF exchanged."""
    return Arrangement(tuple(on), tuple(off)), Arrangement(tuple(off), tuple(on))


@dataclass(frozen=True)
class Calibration:
    """Log odds that ``false`` events reached, descending, in ``exposure`` MHz·h; whether a ``network`` took part."""

    false: np.ndarray
    exposure: float
    network: bool

    def false_alarms(self, odds: np.ndarray) -> np.ndarray:
        """False events per MHz·h with these log odds or higher ones.

        Beyond the highest one the rate is extrapolated, as the odds fall and by at most a factor :data:`FARTHEST`.
        """
        odds = np.asarray(odds, np.float64)
        highest = self.false[0] if len(self.false) else 0.0
        counted = np.searchsorted(-self.false, -odds, side="right")
        return np.where(counted > 0, counted, np.exp(highest - odds).clip(1 / FARTHEST, 1)) / self.exposure


def calibrate(
    found: Found, grid: Grid, on: Sequence[int], off: Sequence[int], exposure: float, network: bool, snr: float
) -> Calibration:
    """The calibration from what was found in ``exposure`` MHz·h, as it is and with ON and OFF exchanged.

    False events have to be as bright as events: the panels that count as ON together reach ``snr``.
    """
    exchanged = [one.odds for one in groups_of(found, 1, grid, off, network, snr) if one.trust == 1]
    faint = [one.odds for one in groups_of(found, 0, grid, on, network, snr) if 0 < one.trust < 1]
    return Calibration(-np.sort(-np.array([*exchanged, *faint], np.float64)), exposure, network)


@dataclass(frozen=True)
class Group:
    """The tracks of one event, the brightest first: it says where the event is, and whether the OFF panels show it.

    ``trust``: 1 when none does. ``odds``: the logarithm of the event's odds. ``network``: see :func:`logit_of`; NaN where the
    network's tracks are elsewhere.
    """

    tracks: np.ndarray
    trust: float
    odds: float
    network: float


def groups_of(found: Found, arrangement: int, grid: Grid, on: Sequence[int], network: bool, snr: float) -> list[Group]:
    """What was found under one arrangement, with ON panels ``on`` that together reach ``snr``, as events."""
    tracks = found.tracks[found.tracks["arrangement"] == arrangement]
    tracks = tracks[together(tracks["snr"][:, list(on)]) >= snr]
    return group(tracks, found.windows[found.windows["arrangement"] == arrangement], grid, on, network, snr)


def group(tracks: np.ndarray, windows: np.ndarray, grid: Grid, on: Sequence[int], network: bool, snr: float) -> list[Group]:
    """Tracks that meet in an ON panel as events. A piece of a terrestrial track is not more than the whole of it; but what
    crosses one, and has an ``snr`` of its own elsewhere, is.

    ``windows``: the network's, of the same arrangement as the tracks.
    """
    order = np.lexsort((tracks["drift"], tracks["channel"], -tracks["bright"]))
    tracks = tracks[order]
    light = Light(tracks["snr"][:, list(on)], tracks["trust"] < 1, snr)
    labels = merge(tracks["channel"], tracks["drift"], tracks["width"], grid, on, light=light)
    groups = []
    for leader in np.unique(labels):
        members = tracks[labels == leader]
        logit = logit_of(members, windows, grid, on)
        odds = log_odds(members[0], on, grid, logit, network)
        groups.append(Group(members, float(members["trust"][0]), odds, logit))
    return groups


def logit_of(tracks: np.ndarray, windows: np.ndarray, grid: Grid, on: Sequence[int]) -> float:
    """The network's highest logit of the event's own tracks that it sees (a bent one passes beside the straight sums), or else
    of the windows that hold the first track's middle and whose own track is that one.

    A window's logit is of the best track in it: it says nothing of another one.
    """
    own = tracks["score"][tracks["kind"] == NETWORK]
    if not len(own):
        first = tracks[0]
        holding = windows[(windows["start"] <= first["channel"]) & (first["channel"] < windows["start"] + FREQ)]
        times = np.array([grid.middles[panel] - grid.middle for panel in on])
        apart = holding["channel"] - first["channel"] + np.multiply.outer(times, holding["drift"] - first["drift"])
        own = holding["score"][np.abs(apart).mean(0) <= OWN]
    return float(own.max()) if len(own) else np.nan
