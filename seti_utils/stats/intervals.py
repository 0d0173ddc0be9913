"""How sure an AUC is: closed-form errors and bootstrap intervals, of rows or of groups that share something."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from seti_utils.stats.auc import auc, bootstrap_auc


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
