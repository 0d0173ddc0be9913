"""How different two groups of rows are: Cliff's delta and AUC, with intervals that know of rows that belong together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from seti_utils.errors import InputError
from seti_utils.learn.metrics import auc, bootstrap_auc


def auc_error(target: Sequence[float], score: Sequence[float], groups: Sequence | None = None) -> tuple[float, float]:
    """The AUC and its standard error, in closed form (DeLong 1988; with ``groups`` Obuchowski's 1997 for clusters).

    ``target`` 0 or 1, ``score`` any numbers, ``groups`` labels of rows that share something (the same sky), each (N,).
    Each row's influence on the AUC is its own placement; those of a group are added before they are squared. Raises
    ``InputError`` as ``learn.metrics.auc`` does.
    """
    target, score = np.asarray(target, np.float64), np.asarray(score, np.float64)
    value = auc(target, score)
    high = target == 1
    positives, negatives = int(high.sum()), int((~high).sum())
    placed = rankdata(score)
    influence = np.empty(len(score))
    influence[high] = (placed[high] - rankdata(score[high])) / negatives - value
    influence[~high] = (positives - (placed[~high] - rankdata(score[~high]))) / positives - value
    influence[high] /= positives
    influence[~high] /= negatives
    if groups is None:
        parts = [influence[high], influence[~high]]
        return value, float(sum(np.square(part).sum() * len(part) / max(len(part) - 1, 1) for part in parts) ** 0.5)
    _, place = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.bincount(place, influence)
    return value, float((np.square(sums).sum() * len(sums) / max(len(sums) - 1, 1)) ** 0.5)


def auc_interval(
    target: Sequence[float], score: Sequence[float], groups: Sequence | None = None, *, draws: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """The AUC with its 95 % bootstrap interval: (AUC, low, high).

    Without ``groups`` rows are drawn (``learn.metrics.bootstrap_auc``); with them whole groups are, since rows that
    share a sky are no independent witnesses: the interval gets wider.
    """
    value = auc(target, score)
    if groups is None:
        return (value, *bootstrap_auc(target, score, draws=draws, seed=seed))
    target, score = np.asarray(target, np.float64), np.asarray(score, np.float64)
    _, place = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    ordered, inverse = np.unique(score, return_inverse=True)
    generator, values = np.random.default_rng(seed), []
    for _ in range(draws):
        times = np.bincount(generator.integers(place.max() + 1, size=place.max() + 1), minlength=place.max() + 1)[place]
        above = np.bincount(inverse, times * target, len(ordered))
        below = np.bincount(inverse, times * (1 - target), len(ordered))
        if above.sum() and below.sum():
            lower = np.cumsum(below) - below / 2
            values.append((above * lower).sum() / above.sum() / below.sum())
    low, high = np.quantile(values, [0.025, 0.975])
    return value, float(low), float(high)


def effect_sizes(features: pd.DataFrame, target: Sequence[float], groups: Sequence | None = None) -> pd.DataFrame:
    """Cliff's delta of every column between rows with ``target`` 1 and 0, the largest in size first.

    Delta is 2 AUC - 1: the probability that a row of group 1 has the higher value less that of the lower one; 0 is
    no difference, ±1 no overlap. Columns: feature, delta, low, high (95 %, see ``auc_error``), median_0, median_1,
    sure (the interval without 0 at 95 % over *all* columns, Bonferroni). Constant columns have delta 0.
    """
    target = np.asarray(target, np.float64)
    if len(features) != len(target):
        raise InputError(f"{len(features)} rows, {len(target)} targets", where="effect sizes", remedy="give one target per row")
    every, rows = norm.ppf(1 - 0.025 / max(features.shape[1], 1)), []
    for name in features:
        value = features[name].to_numpy(np.float64)
        area, error = auc_error(target, value, groups)
        delta, error = 2 * area - 1, 2 * error
        rows.append(
            {
                "feature": name,
                "delta": delta,
                "low": max(delta - 1.96 * error, -1.0),
                "high": min(delta + 1.96 * error, 1.0),
                "median_0": float(np.median(value[target == 0])),
                "median_1": float(np.median(value[target == 1])),
                "sure": bool(abs(delta) > every * error),
            }
        )
    table = pd.DataFrame(rows)
    return table.sort_values("delta", key=np.abs, ascending=False, kind="stable", ignore_index=True)
