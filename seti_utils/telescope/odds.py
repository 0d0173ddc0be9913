"""The odds of an event: how much likelier a needle than chance made what was measured, as a logistic model says it.

Weights were taught on cadences of ``benchmarks/search_files.py``, where it is known which events are needles
(``benchmarks/search_odds.py``). Odds only rank: how often chance reaches them is counted on the observer's own files
(:mod:`seti_utils.telescope.calibration`), so that weights that do not fit a band cost recall there, and make no rate untrue.
"""

from collections.abc import Sequence

import numpy as np

from seti_utils.telescope.grid import Grid

FEATURES = ("one", "bright", "even", "speed", "logit", "elsewhere")
"""What the model looks at, of an event's brightest track.

``bright``: logarithm of the ON panels' SNR together, restless surroundings discounted. ``even``: logarithm of the faintest ON
panel's SNR over the brightest's, each at least 1. ``speed``: logarithm of the widths that it crosses in a panel; most of what is
false stands still. ``logit``: the network's where its own track is one of the event's; ``elsewhere``: 1 where it is not.
"""

WEIGHTS = {
    True: (-0.05, 0.52, 1.09, 0.6, 0.82, -3.2),
    False: (-3.36, 2.07, 1.58, 1.31, 0.0, 0.0),
}
"""Of :data:`FEATURES`, where a network took part in the search, and where none did."""

LOGITS = (-3.0, 4.0)
"""Logits count between these."""

SPEEDS = (0.3, 10.3)
"""Widths per panel that are added to a speed, and the most that then counts."""


def features(track: np.ndarray, on: Sequence[int], grid: Grid, logit: float) -> np.ndarray:
    """:data:`FEATURES` of a ``tracks.TRACK`` row whose ON panels are ``on``; ``logit``: NaN where the network's is elsewhere."""
    snr = track["snr"][list(on)].astype(np.float64)
    faintest, brightest = np.maximum([snr.min(), snr.max()], 1)
    speed = abs(track["drift"]) * grid.panel / track["width"]
    elsewhere = np.isnan(logit)
    return np.array(
        [
            1,
            np.log(max(track["bright"], 1)),
            np.log(faintest / brightest),
            np.log(min(speed + SPEEDS[0], SPEEDS[1])),
            0 if elsewhere else np.clip(logit, *LOGITS),
            elsewhere,
        ]
    )


def log_odds(track: np.ndarray, on: Sequence[int], grid: Grid, logit: float, network: bool) -> float:
    """Natural logarithm of the odds of an event whose brightest track this is; ``network``: whether one took part."""
    return float((features(track, on, grid, logit) * WEIGHTS[network]).sum())
