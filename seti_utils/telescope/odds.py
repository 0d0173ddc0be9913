"""The odds of an event: how much likelier a needle than chance made what was measured, as a logistic model says it.

Weights were taught on cadences of ``benchmarks/search_files.py``, where it is known which events are needles
(``benchmarks/search_odds.py``): straight ones, and those that nature draws, unevenly bright and in some ON panels only. Odds only
rank: how often chance reaches them is counted on the observer's own files (:mod:`seti_utils.telescope.calibration`), so that
weights that do not fit a band cost recall there, and make no rate untrue.
"""

from collections.abc import Sequence

import numpy as np

from seti_utils.sky.reference import QUIET
from seti_utils.telescope.grid import Grid
from seti_utils.telescope.measuring import SHOWING, together

FEATURES = ("one", "bright", "calm", "even", "among", "off", "width", "speed", "logit", "elsewhere")
"""What the model looks at, of an event's brightest track; brightness and ratios as logarithms, SNRs as at least 1.

``bright``: the ON panels' SNR together, restless surroundings discounted; ``calm``: the share of it that the discount leaves,
for what blinks by itself is mostly emission. ``even``: the faintest ON panel over the brightest; ``among``: the same of those
that show the track, so that a needle in one or two is told from a spot, bright in one and faint in the others. ``off``: the
loudest OFF panel, up to where the veto begins: events do not go beyond, but what calibration counts beside them does. ``width``:
channels, for emission is broad. ``speed``: the widths that it crosses in a panel; most of what is false stands still. ``logit``:
the network's where its own track is one of the event's; ``elsewhere``: 1 where it is not."""

WEIGHTS = {
    True: (1.42, 0.22, 1.45, 0.45, 0.33, -1.85, 0.22, 0.89, 0.86, -2.58),
    False: (-2.8, 2.06, 1.41, 0.83, 0.81, -2.06, 1.02, 1.45, 0.0, 0.0),
}
"""Of :data:`FEATURES`, where a network took part in the search, and where none did."""

LOGITS = (-3.0, 4.0)
"""Logits count between these."""

SPEEDS = (0.3, 10.3)
"""Widths per panel that are added to a speed, and the most that then counts."""


def features(track: np.ndarray, on: Sequence[int], grid: Grid, logit: float) -> np.ndarray:
    """:data:`FEATURES` of a ``tracks.TRACK`` row whose ON panels are ``on``; ``logit``: NaN where the network's is elsewhere."""
    snr = np.maximum(track["snr"].astype(np.float64), 1)
    mine, others = snr[list(on)], np.delete(snr, list(on))
    showing = mine[mine >= SHOWING] if (mine >= SHOWING).any() else mine[:1]
    bright = max(float(track["bright"]), 1)
    speed = abs(track["drift"]) * grid.panel / track["width"]
    elsewhere = np.isnan(logit)
    return np.array(
        [
            1,
            np.log(bright),
            np.log(bright / together(mine[None])[0]),
            np.log(mine.min() / mine.max()),
            np.log(showing.min() / showing.max()),
            np.log(min(others.max(initial=1), QUIET)),
            np.log(track["width"]),
            np.log(min(speed + SPEEDS[0], SPEEDS[1])),
            0 if elsewhere else np.clip(logit, *LOGITS),
            elsewhere,
        ]
    )


def log_odds(track: np.ndarray, on: Sequence[int], grid: Grid, logit: float, network: bool) -> float:
    """Natural logarithm of the odds of an event whose brightest track this is; ``network``: whether one took part."""
    return float((features(track, on, grid, logit) * WEIGHTS[network]).sum())
