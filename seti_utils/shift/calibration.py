"""Whether a score of 0.3 means three in ten: reliability by bins, and the expected calibration error."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seti_utils.stats.bootstrap import bootstrap, repeated
from seti_utils.stats.recall import wilson

ROWS_TO_CALIBRATE = 50
"""Rows below which a calibration error is all noise."""


@dataclass(frozen=True)
class Calibration:
    """``bins``: rows, score (mean), share (of positives), low, high (95 %, Wilson). ``error``: the expected calibration
    error with its 95 % bootstrap interval; ``chance``: what a perfectly calibrated model of as many rows would show
    (95 % of such models stay below it)."""

    bins: pd.DataFrame
    error: float
    low: float
    high: float
    chance: float


def reliability(target: ArrayLike, score: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """Equally filled bins of the score: rows, score, share, low, high (Wilson's 95 % interval of the share)."""
    target, score = np.asarray(target, np.float64), np.asarray(score, np.float64)
    table = []
    for rows in np.array_split(np.argsort(score, kind="stable"), min(bins, len(score))):
        positives = int(target[rows].sum())
        table.append((len(rows), score[rows].mean(), positives / len(rows), *wilson(positives, len(rows))))
    return pd.DataFrame(table, columns=["rows", "score", "share", "low", "high"])


def calibration_error(target: np.ndarray, score: np.ndarray, bins: int = 10) -> float:
    """The expected calibration error over equally filled bins: the mean of |share - score|, weighted by rows."""
    order = np.argsort(score, kind="stable")
    parts = np.array_split(order, min(bins, len(score)))
    return float(sum(abs(target[rows].sum() - score[rows].sum()) for rows in parts) / len(score))


def calibration(target: ArrayLike, score: ArrayLike, *, bins: int = 10, draws: int = 200, seed: int = 0) -> Calibration:
    """How well ``score`` (N,) in [0, 1] is calibrated against ``target`` (N,), 0 or 1."""
    target, score = np.asarray(target, np.float64), np.asarray(score, np.float64)

    def error(times: np.ndarray) -> float:
        rows = repeated(times)
        return calibration_error(target[rows], score[rows], bins)

    low, high = bootstrap(error, [np.arange(len(score))], draws=draws, seed=seed)
    generator = np.random.default_rng(seed)
    perfect = [calibration_error((generator.random(len(score)) < score).astype(float), score, bins) for _ in range(draws)]
    return Calibration(
        reliability(target, score, bins),
        calibration_error(target, score, bins),
        low,
        high,
        float(np.quantile(perfect, 0.95)),
    )
