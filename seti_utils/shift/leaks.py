"""The leaks a competition may have: does anything but the pixels give the label away?"""

import os
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from seti_utils.stats.intervals import auc_error, normal_interval

ROWS_PER_CLASS = 10
"""Rows of each class below which nobody can tell a leak from chance."""

SURE = 0.999
"""Confidence from which a sign is called a leak; the known ones had an AUC near 1."""

NORMALISED = 2e-3
"""A mean this near 0, and a σ this near 1, of every panel is float16's rounding and carries no information."""


def file_times(paths: Sequence[str]) -> np.ndarray:
    """Modification times in seconds, float64 (N,)."""
    return np.array([os.stat(path).st_mtime_ns / 1e9 for path in paths], dtype=np.float64)


def check_leaks(target: ArrayLike, signs: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """For each sign (a number per training row), whether it gives the label away.

    Columns: sign, auc (of the label by the sign; 0.5 says nothing, 0 as much as 1), low, high (95 %), leak, verdict in
    words. ``leak`` is None where there are fewer than ``ROWS_PER_CLASS`` rows of a class, and True only where the interval
    excludes 0.5 at ``SURE`` over all signs together (Bonferroni): a false alarm once in a thousand clean folders.
    """
    target, rows = np.asarray(target, np.float64), []
    few = int(min((target == 1).sum(), (target == 0).sum()))
    every = norm.ppf(1 - (1 - SURE) / 2 / max(len(signs), 1))
    for sign, value in signs.items():
        value = np.asarray(value, np.float64)
        if few < ROWS_PER_CLASS:
            rows.append(
                (sign, np.nan, np.nan, np.nan, None, f"too few rows to tell: {few} of one class, {ROWS_PER_CLASS} needed")
            )
            continue
        if np.ptp(value) == 0:
            rows.append((sign, 0.5, 0.5, 0.5, False, "constant, so it carries no information"))
            continue
        area, error = auc_error(target, value)
        low, high = normal_interval(area, error)
        leak = abs(area - 0.5) > every * error
        if leak and sign in LEVELS and np.abs(value - LEVELS[sign]).max() < NORMALISED:
            leak, words = False, "every panel is normalised; what differs is float16's rounding"
        else:
            words = f"LEAK: it tells the label with AUC {area:.3f}" if leak else "no leak seen"
        rows.append((sign, area, low, high, bool(leak), words))
    return pd.DataFrame(rows, columns=["sign", "auc", "low", "high", "leak", "verdict"])


LEVELS = {"panel mean": 0.0, "panel σ": 1.0}
"""Signs that normalisation sets, and to what."""


NORMALISE = "Normalise every panel again before anything sees it (old data: --era old does)."
CURES = {
    "panel mean": NORMALISE,
    "panel σ": NORMALISE,
    "file time": "File times are not in the arrays: keep them out of every model, and do not choose folds by them.",
    "place in the table": "Shuffle the rows before they are split into folds, and keep their order out of every model.",
}
"""What to do against each leak."""


def leak_signs(features: pd.DataFrame, paths: Sequence[str], places: ArrayLike) -> dict[str, np.ndarray]:
    """The known leaks of training rows: panel mean and σ, the file's modification time; and the place in the table."""
    return {
        "panel mean": features["mean"].to_numpy(),
        "panel σ": features["σ"].to_numpy(),
        "file time": file_times(paths),
        "place in the table": np.asarray(places, np.float64),
    }


def leak_sentence(leaks: pd.DataFrame) -> str:
    """The verdict over all signs, in words."""
    if leaks["leak"].isna().any():
        return "Leaks: " + leaks["verdict"].iloc[0] + "."
    found = leaks[leaks["leak"].astype(bool)]
    if found.empty:
        return (
            "Leaks: none of the known ones. Panel means and σ, file times and the order of the table say nothing about the label."
        )
    told = "; ".join(f"{row.sign} tells the label (AUC {row.auc:.3f})" for row in found.itertuples())
    return f"Leaks: {told}. " + " ".join(dict.fromkeys(CURES[sign] for sign in found["sign"]))
